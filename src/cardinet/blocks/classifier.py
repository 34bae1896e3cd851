"""The network as a chain of named children: conv1 bn1 relu maxpool layer1 .. avgpool fc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn


class ResidualClassifier(nn.Module):
    """Direct children in call order, under torchvision's names, so that the world's checkpoints and tools fit.

    `forward` maps (N, C, H, W) to logits (N, num_classes). `features` returns the named intermediates.
    `spec` is the description from which the network was built.
    """

    spec: Any

    def __init__(
        self, stem: Mapping[str, nn.Module], stages: Sequence[nn.Module], width: int, num_classes: int
    ) -> None:
        super().__init__()
        for name, module in stem.items():
            self.add_module(name, module)
        for i, stage in enumerate(stages, 1):
            self.add_module(f"layer{i}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        for name, child in self.named_children():
            x = child(x.flatten(1) if name == "fc" else x)
        return x

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """The intermediates by name: stem, layer1, ..., pooled (N, channels), logits. No hooks are involved."""
        found: dict[str, Tensor] = {}
        for name, child in self.named_children():
            if name.startswith("layer") and "stem" not in found:
                found["stem"] = x
            if name == "fc":
                found["pooled"] = x = x.flatten(1)
            x = child(x)
            if name.startswith("layer"):
                found[name] = x
        found["logits"] = x
        return found
