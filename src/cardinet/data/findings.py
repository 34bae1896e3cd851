"""What was found wrong or worth knowing about one picture or folder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One picture or folder by name, the split it stands in, the kind of finding and the reason.

    `bad` findings keep a picture (or the whole source) from being used; the others are notes. `key` is the
    picture's place within the source (see `Names.key`), "" where the finding is not on one picture.
    """

    name: str
    split: str
    kind: str
    detail: str
    bad: bool
    key: str = ""

    @property
    def identity(self) -> str:
        """`SPLIT:KEY`, such as `train:ant/3.jpg`: the picture, however the source is typed when it is opened again.

        No two pictures of a source share it, and it can always be written down: bytes of a name that are no UTF-8
        stand escaped.
        """
        return f"{self.split}:{self.key}"

    def sentence(self) -> str:
        """The finding as one line: name, kind and reason."""
        return f"{self.name}: {self.kind}: {self.detail}."
