"""A library's names for the tensors of a family, as data: substitutions from our names to theirs.

One direction is enough: to read a file, our network's names are translated, and the file's tensors are looked up by
the translated names.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_SHIFTED = re.compile(r"<(\d+)([+-]\d+)?>")


@dataclass(frozen=True)
class Layout:
    """Substitutions (pattern, replacement) that are applied to our name of a tensor, one after another.

    In a replacement `<1>` is the first group, and `<1-1>` is the number in it minus one, as some libraries count stages
    or blocks from 0: ("layer(\\d+)\\.", "stages.<1-1>."). `convolutions` are the names of our linear layers that
    are convolutions in the library, with their kernel size. Writing weights needs it.
    """

    rules: tuple[tuple[str, str], ...] = ()
    convolutions: tuple[tuple[str, int], ...] = ()

    def theirs(self, name: str) -> str:
        """The library's name for our tensor `name`."""
        for substitute, filled in self._substitutions:
            name = substitute(filled, name)
        return name

    @functools.cached_property
    def _substitutions(self) -> list[tuple[Callable[..., str], Callable[[re.Match[str]], str]]]:
        """The compiled rules; they are cached, as a network has hundreds of names."""
        return [(re.compile(pattern).sub, functools.partial(_filled, text)) for pattern, text in self.rules]

    def shaped(self, name: str, tensor: Tensor) -> Tensor:
        """Our tensor in the shape that the library's layer has."""
        layer, _, role = name.rpartition(".")
        kernel = dict(self.convolutions).get(layer) if role == "weight" else None
        return tensor if kernel is None else tensor.reshape(len(tensor), -1, kernel, kernel)

    def translate(self, names: Iterable[str]) -> dict[str, str]:
        """A mapping from our names to the library's. Raises ValueError if two names would become the same."""
        names = list(names)
        found = {name: self.theirs(name) for name in names}
        if len(set(found.values())) != len(names):
            raise ValueError("two tensors would get the same name")
        return found


def _filled(text: str, match: re.Match[str]) -> str:
    def value(hit: re.Match[str]) -> str:
        group = match.group(int(hit[1])) or ""
        return str(int(group) + int(hit[2])) if hit[2] else group

    return _SHIFTED.sub(value, text)
