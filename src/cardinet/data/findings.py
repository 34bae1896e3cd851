"""Findings: what is wrong with a picture or folder, or worth knowing about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One picture or folder by name, its split, the kind of finding and the reason.

    A `bad` finding makes a picture (or the whole source) unusable; the others are notes. `key` is the picture's place
    in the source (see `Names.key`); it is empty if the finding is not about one picture.
    """

    name: str
    split: str
    kind: str
    detail: str
    bad: bool
    key: str = ""

    @property
    def identity(self) -> str:
        """`SPLIT:KEY`, such as `train:ant/3.jpg`. It does not depend on how the user types the source.

        No two pictures of a source share it. It can always be written down, as bytes of a name that are not UTF-8 are
        escaped.
        """
        return f"{self.split}:{self.key}"

    def sentence(self) -> str:
        """The finding as one line: name, kind and reason."""
        return f"{self.name}: {self.kind}: {self.detail}."
