"""What was found wrong or worth knowing about one picture or folder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One picture or folder by name, the split it stands in, the kind of finding and the reason.

    `bad` findings keep a picture (or the whole source) from being used; the others are notes.
    """

    name: str
    split: str
    kind: str
    detail: str
    bad: bool

    def sentence(self) -> str:
        """The finding as one line: name, kind and reason."""
        return f"{self.name}: {self.kind}: {self.detail}."
