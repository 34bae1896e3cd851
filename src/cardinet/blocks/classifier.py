"""A network as a chain of named children: a body up to the last feature map, and a head that ends in `fc`."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.recomputation import Recomputing


@dataclass(frozen=True)
class Tap:
    """A feature map: its name, the direct child whose output it is, its channels, and its stride in input pixels.

    The stride is nominal: a step of one pixel in the map is a step of `stride` pixels in the input. If all paddings
    keep the size, the side of the map is the side of the picture divided by the stride, rounded. Without padding the
    map also loses a border.
    """

    name: str
    child: str
    channels: int
    stride: int


class Body(Recomputing):
    """Direct children that run in the order of `body_names`; `taps` are the feature maps among their outputs.

    `joins` maps a child to an earlier child, whose output it reads as a second input.
    """

    OUTER = True
    spec: Any

    def __init__(
        self, body: Mapping[str, nn.Module], taps: Sequence[Tap], joins: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        for name, module in body.items():
            self.add_module(name, module)
        self.body_names = tuple(body)
        self.taps = tuple(taps)
        self.joins = dict(joins or {})

    def maps(self, x: Tensor, children: Sequence[str]) -> list[Tensor]:
        """The outputs of the named children of the body, in the order of the names. No other output is kept."""
        wanted = {*children, *self.joins.values()}
        kept: dict[str, Tensor] = {}
        for names in self._chains(wanted):
            modules = [getattr(self, name) for name in names]
            second = (kept[self.joins[names[0]]],) if names[0] in self.joins else ()
            x = modules[0](x) if isinstance(modules[0], Recomputing) else self.run(modules, x, *second)
            if names[-1] in wanted:
                kept[names[-1]] = x
        return [kept[name] for name in children]

    def _chains(self, wanted: Collection[str]) -> Iterator[tuple[str, ...]]:
        """The names of the children in chains: one that runs units is alone; the others end with a feature map."""
        ends = {*wanted, *(tap.child for tap in self.taps)}
        chain: tuple[str, ...] = ()
        for name, after in itertools.zip_longest(self.body_names, self.body_names[1:]):
            chain += (name,)
            alone = any(isinstance(getattr(self, other or name), Recomputing) for other in (name, after))
            if alone or name in ends or after is None or after in self.joins:
                yield chain
                chain = ()


class ClassifierSpec(Protocol):
    """What every network is built from: the fields of its description, with parts as constructors."""

    num_classes: int
    in_channels: int


class Classifier(Body):
    """Direct children in call order, so that common checkpoints and tools fit.

    `forward` maps (N, C, H, W) to logits (N, num_classes). The children of `body` run first, then those of `head`. The
    head begins with a pool, whose output is flattened, and ends with the linear classifier `fc`.
    `taps` are the feature maps, from the input of the first stage to the last map. A network that passes more than one
    map between its children has no taps, and gives the reason in `no_backbone`. `spec` is the description from which
    the network was built. `initialise` reads `fans`. `forward_features`, `forward_head`, `get_classifier`,
    `reset_classifier`, `num_classes`, `num_features` (channels of the last map) and `head_hidden_size` (inputs of
    `fc`) are timm's conventions.
    """

    fc: nn.Module
    no_backbone = ""
    fans: Mapping[str, str | None] = {}

    def __init__(
        self,
        body: Mapping[str, nn.Module],
        head: Mapping[str, nn.Module],
        taps: Sequence[Tap] = (),
        joins: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(body, taps, joins)
        for name, module in head.items():
            self.add_module(name, module)
        self.head_names = tuple(head)
        classifier = head["fc"]
        assert isinstance(classifier, nn.Linear)
        self.head_hidden_size, self.num_classes = classifier.in_features, classifier.out_features
        self.num_features = taps[-1].channels if taps else classifier.in_features

    def layers(self) -> dict[str, tuple[str, ...]]:
        """All direct children, cut into layers from the input to the output: the names of the children of each.

        "stem" ends with the first feature map, each further map ends the layer of its name, and "head" is the rest. A
        network without feature maps has its stages. A layer without parameters joins the next one.
        """
        ends = {tap.child: tap.name for tap in self.taps} or {n: n for n in self.body_names if n.startswith("layer")}
        found: dict[str, tuple[str, ...]] = {}
        open_: tuple[str, ...] = ()
        for name in self.body_names:
            if not found and not self.taps and name in ends and self._learns(open_):
                found["stem"], open_ = open_, ()
            open_ += (name,)
            if name in ends and self._learns(open_):
                found[ends[name]], open_ = open_, ()
        body = {name for children in found.values() for name in children}
        return found | {"head": tuple(name for name, _ in self.named_children() if name not in body)}

    def _learns(self, children: Sequence[str]) -> bool:
        return any(True for name in children for _ in self.get_submodule(name).parameters())

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map."""
        return self.maps(x, self.body_names[-1:])[0]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits from the last feature map, or with `pre_logits` the inputs of `fc`, (N, head_hidden_size)."""
        pool, *rest = self.head_names
        x = getattr(self, pool)(x).flatten(1)
        for name in rest[:-1]:
            x = getattr(self, name)(x)
        if not pre_logits:
            x = self.fc(x)
        return x

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """The intermediate results by name: those of `taps`, pooled (N, head_hidden_size), logits. It uses no hooks."""
        *maps, last = self.maps(x, [*(tap.child for tap in self.taps), self.body_names[-1]])
        found = {tap.name: feature_map for tap, feature_map in zip(self.taps, maps, strict=True)}
        found["pooled"] = self.forward_head(last, pre_logits=True)
        found["logits"] = self.fc(found["pooled"])
        return found

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier for another number of classes; 0 removes it, as in timm.

        The description changes too, except for 0 classes, which no description can have. Raises RequestError for an
        invalid number, and for a `global_pool` other than "avg".
        """
        if global_pool not in (None, "avg"):
            raise RequestError(f'global_pool = "{global_pool}": only "avg" is supported; use "avg" or omit it.')
        if num_classes != 0:
            self.spec = self.spec.but(num_classes=num_classes)
            num_classes = self.spec.num_classes
        self.num_classes = num_classes
        weight = next(self.parameters())
        self.fc = (
            nn.Linear(self.head_hidden_size, num_classes, device=weight.device, dtype=weight.dtype)
            if num_classes
            else nn.Identity()
        ).train(self.training)
