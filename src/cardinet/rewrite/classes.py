"""Change the classes of a network, for fine-tuning: classes that stay keep their row of the classifier."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import Findings, RequestError
from cardinet.rewrite.module_edits import layout_of, replace
from cardinet.rewrite.seeding import placed_like, seeded_draws, seeded_generator

NEW = -1
"""The row of a new class."""


class ChosenLogits(nn.Module):
    """A network that gives the logits of some classes; without classes, the inputs of its classifier."""

    def __init__(self, network: nn.Module, classes: Sequence[int]) -> None:
        super().__init__()
        self.network: Any = network
        self.classes = list(classes)

    def forward(self, x: Tensor) -> Tensor:
        if self.classes:
            logits: Tensor = self.network(x)[:, self.classes]
            return logits
        pooled: Tensor = self.network.forward_head(self.network.forward_features(x), pre_logits=True)
        return pooled


def classes(network: nn.Module, rows: Sequence[int], seed: int = 0) -> nn.Module:
    """The same network with other classes. `rows` has the old row of each class, or -1 for a new class.

    Classes with an old row keep their logits; two classes may start from the same row. The row of a new class is drawn
    from `seed`, as torch draws a linear layer. The description changes too. Dtype, device (also the meta device), mode
    and `requires_grad` are kept, but a classifier with a new class is trainable. Raises RequestError for a network
    whose `fc` is not a linear layer, and for rows that it does not have, all at once.
    """
    fc, spec = getattr(network, "fc", None), getattr(network, "spec", None)
    if not isinstance(fc, nn.Linear) or spec is None:
        raise RequestError("The classes can be changed only with a description and a linear classifier `fc`.")
    found = Findings()
    with found:
        _check(rows, fc.out_features)
    with found:
        seeded_generator(seed)
    found.raise_if_any()
    with seeded_draws(seed):
        device = "meta" if fc.weight.is_meta else "cpu"
        new = nn.Linear(fc.in_features, len(rows), bias=fc.bias is not None, device=device)
    new = placed_like(new, fc.weight, layout_of(network))
    kept = [i for i, row in enumerate(rows) if row != NEW]
    with torch.no_grad():
        for name, parameter in new.named_parameters():
            old = fc.get_parameter(name)
            parameter[kept] = old[[rows[i] for i in kept]]
            parameter.requires_grad_(old.requires_grad or len(kept) < len(rows))
    twin: Any = copy.deepcopy(network)
    replace(twin, "fc", new)
    twin.spec = spec.but(num_classes=len(rows))
    twin.num_classes = len(rows)
    return twin  # type: ignore[no-any-return]


def kept_logits(before: nn.Module, after: nn.Module, rows: Sequence[int]) -> tuple[nn.Module, nn.Module]:
    """Two modules with equal outputs: the logits of the classes that stayed, or if none did, the inputs of `fc`."""
    kept = [(new, row) for new, row in enumerate(rows) if row != NEW]
    return ChosenLogits(before, [row for _, row in kept]), ChosenLogits(after, [new for new, _ in kept])


def _check(rows: Sequence[int], known: int) -> None:
    """Raise RequestError with every invalid row."""
    if not isinstance(rows, list | tuple) or not rows:
        raise RequestError(f"rows = {rows!r}: give a list with the old row of each class, or -1 for a new class.")
    wrong = {row for row in rows if isinstance(row, bool) or not isinstance(row, int) or not NEW <= row < known}
    if wrong:
        raise RequestError(
            *(
                f"rows has {row!r}: the network has rows 0 to {known - 1}; give one of them, or -1 for a new class."
                for row in sorted(wrong, key=str)
            )
        )
