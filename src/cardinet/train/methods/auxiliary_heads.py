"""Auxiliary heads: classifiers on earlier maps of the network, whose losses are added in training: Szegedy et al. 2014,
Section 5 (arXiv 1409.4842), and 2015, Section 4 (arXiv 1512.00567).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from cardinet.base.errors import Findings, RequestError, WorkError, nearest
from cardinet.networks.auxiliary_head import HEADS, INCEPTION
from cardinet.train.methods import Conditions, Hooks, Method
from cardinet.train.methods.freeze import as_list
from cardinet.train.optimizers import Positive

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from cardinet.blocks.classifier import Classifier
    from cardinet.measure.memory import Memory
    from cardinet.networks.auxiliary_head import AuxiliaryHead
    from cardinet.train.objectives import Objective

COPIES = 6
"""Tensors of the size of a head's parameters: themselves, gradients, two states, and the copies of a checkpoint."""


class AuxiliaryHeads(Method):
    """loss <- loss + weight * (loss of head 1 + loss of head 2 + ...), each by the objective of the run.

    Only training has the heads: evaluations, model files and exports are those of the network alone, and a checkpoint
    keeps the heads for a resumed run.
    """

    at: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_list)] | None = None
    """The maps that the heads read: layer1 and so on, or any module by its name, such as layer2.1; none: those of the
    network's paper (GoogLeNet and Inception).
    """

    kind: Literal["googlenet", "inception"] | None = None
    """The layers of a head: googlenet has a 1x1 convolution and a hidden layer of 1024 units, inception a 1x1 and a 5x5
    convolution; none: those of the network's paper, else inception.
    """

    weight: Positive | None = None
    """The weight of the loss of each head; none: 0.3 for googlenet, 0.4 for inception."""

    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """The rate of the dropout before the classifier of a head; none: 0.7 for googlenet, 0 for inception."""

    grid: Annotated[int, Field(ge=1)] | None = None
    """The side to which the map is averaged first, so that pictures may have any size (torchvision's GoogLeNet: 4);
    none: an average pool 5x5 with stride 3, as in the papers.
    """

    def heads(self, network: Classifier) -> dict[str, AuxiliaryHead]:
        """The heads by the map that each reads. Raises RequestError if neither the method nor the paper names maps."""
        papers = network.spec.auxiliary_heads()
        if self.at is None and not papers:
            layers = ", ".join(name for name in network.layers() if name != "head")
            raise RequestError(
                "methods.AuxiliaryHeads: this network's paper has no auxiliary heads; name the maps that they read, as "
                f"in AuxiliaryHeads(at=...). Its layers: {layers}."
            )
        usual = next(iter(papers.values()), INCEPTION)
        own = HEADS[self.kind] if self.kind is not None else usual
        changes = {name: value for name in ("weight", "dropout") if (value := getattr(self, name)) is not None}
        return {name: replace(own, **changes) for name in self.at or papers}

    def check(self, network: Classifier, conditions: Conditions) -> None:
        heads = self.heads(network)
        known = {*network.layers(), *(name for name, _ in network.named_modules() if name)} - {"head"}
        if wrong := [name for name in heads if name not in known or name in network.head_names]:
            raise RequestError(
                *(
                    f'AuxiliaryHeads.at: the network has no map "{name}" ({nearest(name, sorted(known))}).'
                    for name in wrong
                )
            )
        findings = Findings()
        for side in sorted({conditions.sides.smallest, conditions.side}):
            if can_take(network, side):  # else this is said elsewhere
                self._check_maps(network, heads, side, findings)
        with findings:
            if len(conditions.sides.all) > 1 and self.grid is None and any(head.hidden for head in heads.values()):
                raise RequestError(
                    "AuxiliaryHeads: the maps change their size with that of the pictures (ProgressiveResizing), and a "
                    "hidden layer has one number of inputs; average the maps first with AuxiliaryHeads.grid=4."
                )
        findings.raise_if_any()

    def _check_maps(
        self, network: Classifier, heads: Mapping[str, AuxiliaryHead], side: int, findings: Findings
    ) -> None:
        """Add a finding for each map that no head can read, for pictures of `side` pixels."""
        for name, shape in map_shapes(network, heads, side).items():
            with findings:
                if shape is None:
                    raise RequestError(f"AuxiliaryHeads.at: {name} gives no single map (N, C, H, W); name another one.")
                try:
                    self.made(heads[name], shape, network, meta=True)
                except ValueError:
                    grid = 4 if heads[name].hidden else 5  # as in the papers, after their pool
                    raise RequestError(
                        f"AuxiliaryHeads: the map of {name} has {shape[1]} x {shape[2]} pixels, too few for the pool "
                        f"and the convolutions of the head; average it to AuxiliaryHeads.grid={grid} first, or name an "
                        "earlier map."
                    ) from None

    def notes(self, conditions: Conditions) -> Sequence[str]:
        return (
            "Auxiliary heads add their losses in training only; the loss in a training line is the sum "
            "(AuxiliaryHeads).",
        )

    def memory(self, network: Classifier, side: int, pictures: int) -> Memory:
        from cardinet.measure.memory import FLOAT, Memory

        found = Memory(0, 0)
        heads = self.heads(network)
        for name, shape in map_shapes(network, heads, side).items():
            assert shape is not None
            head = self.made(heads[name], shape, network, meta=True)
            parameters, values = sum(p.numel() for p in head.parameters()), _values(head, shape)
            found = replace(
                found,
                fixed=found.fixed + COPIES * FLOAT * parameters,
                per_picture=found.per_picture + 2 * FLOAT * values,
            )
        return found

    def made(self, head: AuxiliaryHead, shape: tuple[int, int, int], network: Classifier, *, meta: bool) -> nn.Module:
        """The module of a head for maps of this shape (C, H, W). Raises ValueError if they are too small."""
        import torch
        from torch import nn

        from cardinet.blocks.auxiliary_head import AuxiliaryHead as Module

        with torch.device("meta" if meta else "cpu"):
            return Module(
                shape,
                network.num_classes,
                pool=head.pool,
                grid=self.grid,
                convolutions=head.convolutions,
                norm=any(isinstance(module, nn.BatchNorm2d) for module in network.modules()),
                hidden=head.hidden,
                dropout=head.dropout,
                stds=head.stds,
            )

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        from torch import nn

        from cardinet.blocks.synced_batch_norm import SyncedBatchNorm2d, synced
        from cardinet.build.initialise import initialise
        from cardinet.train.training_step import groups_of

        heads = self.heads(network)
        shapes = map_shapes(network, heads, conditions.side)
        modules = nn.ModuleList()
        for name, head in heads.items():
            shape = shapes[name]
            assert shape is not None
            modules.append(self.made(head, shape, network, meta=False))
        modules.fans = network.fans  # type: ignore[assignment]
        initialise(modules, conditions.init)
        first = next(network.parameters())
        modules.to(first.device, first.dtype)
        if any(isinstance(module, SyncedBatchNorm2d) for module in network.modules()):
            synced(modules)
        for group in groups_of(modules.parameters(), conditions.optimizer):
            optimizer.add_param_group(group)
        weights = [head.weight for head in heads.values()]
        return Heads(modules, weights, [read_by(network, name) for name in heads], network, conditions.objective)


class Heads(Hooks):
    """The heads of one run. They read the maps of the pass that has just been made, and answer within it."""

    def __init__(
        self,
        heads: nn.ModuleList,
        weights: Sequence[float],
        read: Sequence[nn.Module],
        network: Classifier,
        objective: Objective,
    ) -> None:
        self.heads, self.weights, self.objective = heads, weights, objective
        self.maps: dict[int, Tensor] = {}
        self.answers: list[Tensor] = []
        maps, answers = self.maps, self.answers

        def note(module: nn.Module, _: Any, out: Tensor) -> None:
            if module.training:
                maps[id(module)] = out

        def answer(module: nn.Module, _: Any, __: Any) -> None:
            if module.training:
                answers[:] = [head(maps[id(place)]) for head, place in zip(heads, read, strict=True)]
                maps.clear()

        # Plain functions, not methods of this object: a copy of the network must not copy the heads.
        for place in {id(place): place for place in read}.values():
            place.register_forward_hook(note)
        network.register_forward_hook(answer)

    @property
    def beside(self) -> nn.Module:
        return self.heads

    def loss(self, value: Tensor, logits: Tensor, pixels: Tensor, labels: Tensor) -> Tensor:
        for weight, answer in zip(self.weights, self.answers, strict=True):
            value = value + weight * self.objective.loss(answer.to(logits.dtype), labels)
        self.answers.clear()
        return value

    def before_update(self, step: int) -> None:
        """Let go of the maps that a backward pass with recomputation has noted again."""
        self.maps.clear()

    def state(self) -> Mapping[str, Tensor]:
        return self.heads.state_dict()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        own = self.heads.state_dict()
        if own.keys() != state.keys() or any(own[name].shape != state[name].shape for name in own):
            raise WorkError("The checkpoint does not have the auxiliary heads of this run.")
        for name, tensor in own.items():
            tensor.copy_(state[name])


def read_by(network: Classifier, name: str) -> nn.Module:
    """The module whose output is the map of that name: the last child of a layer, or the module itself."""
    return network.get_submodule(network.layers().get(name, (name,))[-1])


def map_shapes(network: Classifier, names: Mapping[str, Any], side: int) -> dict[str, tuple[int, int, int] | None]:
    """The shapes (C, H, W) of the named maps for pictures of `side` pixels; None for what is no single map."""
    import torch

    from cardinet.build.meta import on_meta

    empty = on_meta(network)
    found: dict[str, tuple[int, int, int] | None] = dict.fromkeys(names)

    def note(name: str) -> Any:
        def noted(_: nn.Module, __: Any, out: Any) -> None:
            if isinstance(out, torch.Tensor) and out.ndim == 4:
                found[name] = (out.shape[1], out.shape[2], out.shape[3])

        return noted

    for name in names:
        read_by(empty, name).register_forward_hook(note(name))
    with torch.no_grad():
        empty(torch.empty(1, network.spec.in_channels, side, side, device="meta", dtype=next(empty.parameters()).dtype))
    return found


def can_take(network: Classifier, side: int) -> bool:
    """Whether a network on the meta device can take pictures of `side` pixels."""
    from cardinet.measure.counts import count

    try:
        count(network, side, network.spec.in_channels)
    except RequestError:
        return False
    return True


def _values(head: nn.Module, shape: tuple[int, int, int]) -> int:
    """The values that the layers of a head on the meta device give for one picture."""
    import torch

    sizes: list[int] = []
    for layer in _layers(head):
        layer.register_forward_hook(lambda _, __, out: sizes.append(out.numel()))
    with torch.no_grad():
        head.eval()(torch.empty(1, *shape, device="meta"))
    return sum(sizes)


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    return (inner for inner in module.modules() if not any(True for _ in inner.children()))
