"""How a unit joins its shortcut and its branch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class Add(nn.Module):
    """shortcut + branch; the branch alone where there is no shortcut."""

    def forward(self, skip: Tensor | None, branch: Callable[[], Tensor]) -> Tensor:
        return branch() if skip is None else branch() + skip
