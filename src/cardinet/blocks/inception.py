"""Inception networks: convolutions and pools in branches that are concatenated (Szegedy et al. 2014 to 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol, TypeAlias

from torch import Tensor, nn
from torch.nn.functional import relu

from cardinet.blocks.branches import Concatenated
from cardinet.blocks.classifier import Classifier, ClassifierSpec, Tap
from cardinet.blocks.convolution import convolution
from cardinet.blocks.merge import Add
from cardinet.blocks.recomputation import Units


class Piece(nn.Module):
    """A module that knows its output channels and its stride, so that pieces can be chained."""

    w_out: int
    stride: int = 1


Make: TypeAlias = Callable[[int], Piece]
"""A function that makes a piece from its number of input channels."""


class ConvNormReLU(Piece):
    """conv without bias, BN (eps 1e-3), ReLU; without `norm` conv with bias, ReLU. The padding is "same" or "valid"."""

    RECTIFIED: ClassVar[tuple[str, ...]] = ("bn",)

    def __init__(
        self,
        w_in: int,
        *,
        width: int,
        kernel: tuple[int, int] = (1, 1),
        stride: int = 1,
        padding: str = "same",
        norm: bool = True,
    ) -> None:
        super().__init__()
        self.w_out, self.stride = width, stride
        margin = (kernel[0] // 2, kernel[1] // 2) if padding == "same" else (0, 0)
        self.conv = convolution(w_in, width, kernel, stride, padding=margin, bias=not norm)
        self.bn = nn.BatchNorm2d(width, eps=1e-3) if norm else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.bn(self.conv(x)))
        return y


class Pool(Piece):
    """A max or average pool. With `ceil` the last window may reach over the edge, as in Caffe."""

    def __init__(
        self,
        w_in: int,
        *,
        kind: str,
        kernel: int = 3,
        stride: int = 1,
        padding: str = "same",
        counts_padding: bool = True,
        ceil: bool = False,
    ) -> None:
        super().__init__()
        self.w_out, self.stride = w_in, stride
        margin = kernel // 2 if padding == "same" else 0
        self.pool: nn.Module
        if kind == "max":
            self.pool = nn.MaxPool2d(kernel, stride, margin, ceil_mode=ceil)
        else:
            self.pool = nn.AvgPool2d(kernel, stride, margin, ceil_mode=ceil, count_include_pad=counts_padding)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pool(x)
        return y


class Chain(Units):
    """Pieces one after another; each takes the output channels of the one before it."""

    def __init__(self, w_in: int, pieces: Sequence[Make]) -> None:
        super().__init__()
        self.w_out, self.stride = w_in, 1
        for make in pieces:
            piece = make(self.w_out)
            self.append(piece)
            self.w_out, self.stride = piece.w_out, self.stride * piece.stride


class Concatenate(Piece):
    """gate( concat( T_1(x), ..., T_C(x) ) ). Each branch is a chain of pieces, among them other Concatenates."""

    def __init__(self, w_in: int, *, branches: Sequence[Sequence[Make]]) -> None:
        super().__init__()
        chains = [Chain(w_in, branch) for branch in branches]
        self.branches = Concatenated(chains)
        self.w_out, self.stride = sum(chain.w_out for chain in chains), chains[0].stride
        self.gate: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.branches(x)
        return y if self.gate is None else self.gate(y)


class ScaledResidual(Piece):
    """y = relu( merge( x, scale * gate( conv( concat( T_1(x), ..., T_C(x) ) ) ) ) ), conv is 1x1 with bias, without BN.

    The Inception-ResNet block (Szegedy et al. 2016, Section 3.2 and Figure 20): form b of the aggregated transform
    with unequal branches. Without `activation` the sum is the output. The network sets `gate` and `merge`.
    """

    def __init__(self, w_in: int, *, branches: Sequence[Sequence[Make]], scale: float, activation: bool) -> None:
        super().__init__()
        chains = [Chain(w_in, branch) for branch in branches]
        self.branches = Concatenated(chains)
        self.conv = nn.Conv2d(sum(chain.w_out for chain in chains), w_in, 1)
        self.relu = nn.ReLU(inplace=True) if activation else nn.Identity()
        self.scale, self.w_out = scale, w_in
        self.gate: nn.Module | None = None
        self.merge: nn.Module = Add()

    def branch(self, x: Tensor) -> Tensor:
        """The branch that is added to x."""
        y: Tensor = self.conv(self.branches(x))
        if self.gate is not None:
            y = self.gate(y)
        return y if self.scale == 1 else self.scale * y

    def forward(self, x: Tensor) -> Tensor:
        y = self.merge(x, lambda: self.branch(x))
        # With a closed branch y is the input. The layer before may need it in its backward pass: do not overwrite it.
        return relu(y) if y is x and isinstance(self.relu, nn.ReLU) else self.relu(y)

    def initialise(self, init: str) -> None:
        """The bias starts at 0."""
        assert self.conv.bias is not None
        nn.init.zeros_(self.conv.bias)

    def extra_repr(self) -> str:
        return f"scale={self.scale:g}"


class PiecesSpec(ClassifierSpec, Protocol):
    """What every description of a network of pieces has, with the gate as a constructor."""

    dropout: float
    gate: Callable[[int], nn.Module] | None


class PiecesNet(Classifier):
    """stem, layer1, layer2, ... (one chain of pieces each), average pool, dropout, fc.

    With an `embedding` a linear layer of that width, without bias, and BN stand between dropout and fc. A `gate` ends
    every module of the stages; in residual modules it ends the branch. `merge` joins the two sides of residual modules.
    """

    fans: Mapping[str, str | None] = {"torchvision": None}

    def __init__(
        self,
        spec: PiecesSpec,
        stem: Sequence[Make],
        stages: Sequence[Sequence[Make]],
        *,
        embedding: int | None = None,
        merge: Callable[..., nn.Module] = Add,
    ) -> None:
        body: dict[str, Chain] = {"stem": Chain(spec.in_channels, stem)}
        for i, stage in enumerate(stages, 1):
            body[f"layer{i}"] = Chain(list(body.values())[-1].w_out, stage)
            _complete(body[f"layer{i}"], spec.gate)
        width = list(body.values())[-1].w_out
        residual = [module for chain in body.values() for module in chain if isinstance(module, ScaledResidual)]
        for i, module in enumerate(residual, 1):
            module.merge = merge(place=(i, len(residual)))
        head: dict[str, nn.Module] = {"avgpool": nn.AdaptiveAvgPool2d(1), "dropout": nn.Dropout(spec.dropout)}
        if embedding is not None:
            head |= {"fc1": nn.Linear(width, embedding, bias=False), "bn1": nn.BatchNorm1d(embedding, eps=1e-3)}
        head["fc"] = nn.Linear(embedding or width, spec.num_classes)
        strides = [chain.stride for chain in body.values()]
        taps = [
            Tap(name, name, chain.w_out, math.prod(strides[: i + 1])) for i, (name, chain) in enumerate(body.items())
        ]
        super().__init__(body, head, taps)


class InceptionSpec(PiecesSpec, Protocol):
    """The description of an Inception network, with pieces, gate and merge as constructors."""

    stem: Sequence[Make]
    stages: Sequence[Sequence[Make]]
    embedding: int | None
    merge: Callable[..., nn.Module]


class InceptionNet(PiecesNet):
    """A network of the pieces in its description."""

    def __init__(self, spec: InceptionSpec) -> None:
        super().__init__(spec, spec.stem, spec.stages, embedding=spec.embedding, merge=spec.merge)


def _complete(stage: Chain, gate: Callable[[int], nn.Module] | None) -> None:
    """Give the modules of a stage their gates."""
    for module in stage:
        if gate is not None and isinstance(module, Concatenate | ScaledResidual):
            module.gate = gate(module.w_out)
