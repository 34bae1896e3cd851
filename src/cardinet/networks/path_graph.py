"""A network as a graph of feature maps, in which the paths from the picture to the logits can be counted.

A residual network is an ensemble of paths: Veit, Wilber and Belongie 2016, Section 3 (arXiv 1605.06431). Every
description gives its graph (`NetworkSpec.path_graph`); `measure.paths` counts the paths in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Way:
    """One way from an earlier map to a map.

    `layers` is the number of layers with weights on the way, without those of gates. `unit`: it is the branch of a unit
    that also has other ways. `projection`: it is the projection of a shortcut. `times` is the number of equal ways side
    by side. `transforms` is the number of aggregated transforms (the cardinality) whose sum is the branch.
    """

    start: int
    layers: int = 0
    unit: bool = False
    projection: bool = False
    times: int = 1
    transforms: int = 1


@dataclass
class PathGraph:
    """The maps of a network in the order in which they are computed. Map 0 is the picture, the last one the logits.

    `maps` has the ways that lead to each map after the picture.
    """

    maps: list[tuple[Way, ...]] = field(default_factory=list)

    def add(self, *ways: Way) -> int:
        """Add a map that joins these ways, and return its number."""
        self.maps.append(ways)
        return len(self.maps)

    def chain(self, start: int, layers: int) -> int:
        """Add the map after a chain of layers. Without layers it is the map at the start."""
        return self.add(Way(start, layers)) if layers else start

    @property
    def is_chain(self) -> bool:
        """Whether it is a chain of units: each map is read only by the next one, by one or two ways."""
        return all(len(ways) <= 2 and {way.start for way in ways} == {i} for i, ways in enumerate(self.maps))
