"""The network as a chain of named children: a body that ends in the last feature map, and a head that ends in `fc`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Tap:
    """A feature map: its name, the direct child whose output it is, its channels, and input pixels per pixel of it."""

    name: str
    child: str
    channels: int
    stride: int


class Classifier(nn.Module):
    """Direct children in call order, so that the world's checkpoints and tools fit.

    `forward` maps (N, C, H, W) to logits (N, num_classes): the children of `body` one after another, then those of
    `head`, whose first pools and whose last is the linear classifier `fc`; the picture is flattened after the pool.
    `taps` are the feature maps, from the one that enters the first stage to the last; a network whose state between
    its children is not one picture has none, and says why in `no_backbone`. `spec` is the description from which
    the network was built. `forward_features`, `forward_head`, `get_classifier`, `reset_classifier`, `num_features`
    and `num_classes` are timm's conventions.
    """

    spec: Any
    fc: nn.Module
    no_backbone = ""

    def __init__(self, body: Mapping[str, nn.Module], head: Mapping[str, nn.Module], taps: Sequence[Tap] = ()) -> None:
        super().__init__()
        for name, module in {**body, **head}.items():
            self.add_module(name, module)
        self.body_names = tuple(body)
        self.head_names = tuple(head)
        self.taps = tuple(taps)
        classifier = head["fc"]
        assert isinstance(classifier, nn.Linear)
        self.num_features, self.num_classes = classifier.in_features, classifier.out_features

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map."""
        for name in self.body_names:
            x = getattr(self, name)(x)
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits from the last feature map, or with `pre_logits` what enters the classifier, (N, num_features)."""
        pool, *rest = self.head_names
        x = getattr(self, pool)(x).flatten(1)
        for name in rest[:-1]:
            x = getattr(self, name)(x)
        if not pre_logits:
            x = self.fc(x)
        return x

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """The intermediates by name: those of `taps`, pooled (N, num_features), logits. No hooks are involved."""
        names = {tap.child: tap.name for tap in self.taps}
        found: dict[str, Tensor] = {}
        for name in self.body_names:
            x = getattr(self, name)(x)
            if name in names:
                found[names[name]] = x
        found["pooled"] = x = self.forward_head(x, pre_logits=True)
        found["logits"] = self.fc(x)
        return found

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new classifier for another number of classes; 0 leaves the pooled features, as in timm.

        The description follows (with 0 classes it stays). Only average pooling is known: Raises ValueError for
        another `global_pool`.
        """
        if global_pool not in (None, "avg"):
            raise ValueError(f'global_pool = "{global_pool}": only "avg" is known.')
        weight = next(self.parameters())
        self.num_classes = num_classes
        if num_classes == 0:
            self.fc = nn.Identity()
            return
        self.fc = nn.Linear(self.num_features, num_classes, device=weight.device, dtype=weight.dtype)
        self.spec = self.spec.but(num_classes=num_classes)
