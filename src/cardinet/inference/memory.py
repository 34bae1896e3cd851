"""Where the maps of a network lie in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cardinet.inference.bands import groups_of
from cardinet.inference.packing import up
from cardinet.inference.plan import Map, Work

SLACK = 1 << 20
"""Bytes after the last map: kernels read some values beyond the end of a row, which they do not use."""


@dataclass
class Arena:
    """Where maps lie: `places` has offsets; maps that are needed no more give their place to others.

    The works of a group take turns, so a place is free at its end only. A place with a halo goes to maps of the same
    form only, so that its zeros stay zeros.
    """

    images: int
    places: dict[int, int] = field(default_factory=dict)
    bytes: int = 0

    def lay(self, works: Sequence[Work], maps: dict[int, Map], own: Iterable[int]) -> None:
        """Give a place to each of the values `own`, which `works` make and read in order."""
        own, last = set(own), dict[int, int]()
        for i, work in enumerate(works):
            for value in (*work.reads, work.step.makes):
                last[value] = i
        free: dict[tuple[int, ...], list[int]] = {}
        if 0 in own:
            self._place(0, maps[0], free)
        for group in groups_of(works):
            for i in group:
                if works[i].step.makes in own:
                    self._place(works[i].step.makes, maps[works[i].step.makes], free)
            for value in sorted({value for i in group for value in (*works[i].reads, works[i].step.makes)} & own):
                if last[value] in group:
                    free.setdefault(_form(maps[value]), []).append(self.places[value])

    def _place(self, value: int, form: Map, free: dict[tuple[int, ...], list[int]]) -> None:
        places = free.get(_form(form))
        if places:
            self.places[value] = places.pop()
            return
        self.places[value] = self.bytes
        self.bytes += up(self.images * form.bytes, 64) + 64 * 5


def _form(form: Map) -> tuple[int, ...]:
    return (form.bytes, *((form.height, form.width, form.stored, form.halo) if form.halo else ()))
