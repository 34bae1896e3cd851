"""Another set of classes: a classifier that keeps the rows of the classes that stay, for fine-tuning."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import Findings, RequestError
from cardinet.rewrite.anew import alike, drawn_from, seeded
from cardinet.rewrite.modules import layout_of, replace

NEW = -1
"""The row of a class that the network does not know."""


class ChosenLogits(nn.Module):
    """The logits of some classes of a network, or without any what enters its classifier."""

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
    """The same network with a classifier of other classes: `rows` has the old row of each new class, or -1.

    The classes with a row keep their logits; two may have the same row, and start as one. A class with -1 is drawn from
    `seed` as torch draws a linear layer. The description follows; dtype, device (the meta device too), mode and
    `requires_grad` are kept, but a classifier with a new class is trainable. Raises RequestError for a network whose
    `fc` is no linear layer, and for rows that it does not have, all of them at once.
    """
    fc, spec = getattr(network, "fc", None), getattr(network, "spec", None)
    if not isinstance(fc, nn.Linear) or spec is None:
        raise RequestError("Only a network with its description and a linear classifier `fc` can get other classes.")
    found = Findings()
    with found:
        _check(rows, fc.out_features)
    with found:
        seeded(seed)
    found.raise_if_any()
    with drawn_from(seed):
        device = "meta" if fc.weight.is_meta else "cpu"
        new = nn.Linear(fc.in_features, len(rows), bias=fc.bias is not None, device=device)
    new = alike(new, fc.weight, layout_of(network))
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
    """Two modules that give the same for each picture: the logits of the classes that stayed.

    Where none stayed it is what enters the classifier.
    """
    kept = [(new, row) for new, row in enumerate(rows) if row != NEW]
    return ChosenLogits(before, [row for _, row in kept]), ChosenLogits(after, [new for new, _ in kept])


def _check(rows: Sequence[int], known: int) -> None:
    """Raise RequestError with every row that is none."""
    if not isinstance(rows, list | tuple) or not rows:
        raise RequestError(f"rows = {rows!r}: list the old row of each new class, or -1 for a class that is new.")
    wrong = {row for row in rows if isinstance(row, bool) or not isinstance(row, int) or not NEW <= row < known}
    if wrong:
        raise RequestError(
            *(
                f"rows has {row!r}: the network has the rows 0 to {known - 1}, and -1 stands for a class that is new."
                for row in sorted(wrong, key=str)
            )
        )
