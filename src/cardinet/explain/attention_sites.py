"""The attention of a network, recorded: the weights of squeeze-and-excitation, selective kernels and split attention.

Each has a last layer `fc2`, whose outputs become the weights. In a replica a recording layer stands in its place, so
that the user's network stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from torch import Tensor, nn

from cardinet.blocks.gates import SqueezeExcite
from cardinet.blocks.selective_kernel import SelectiveKernel
from cardinet.blocks.split_attention import SplitAttention
from cardinet.explain.switches import replica

N = TypeVar("N", bound=nn.Module)

Kind = Literal["squeeze-and-excitation", "selective kernels", "split attention"]


class Recorded(nn.Module):
    """A layer that keeps its last output in `last`."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        self.last = y.detach()
        return y


@dataclass(frozen=True, eq=False)
class Site:
    """One place of attention: the unit that has it, its kind, and for selective kernels the sides of the kernels."""

    unit: str
    kind: Kind
    module: nn.Module
    record: Recorded
    sides: tuple[int, ...] = ()

    @property
    def choices(self) -> int:
        """The kernels or splits that share the weight; a gate has one."""
        return getattr(self.module, "radix", 1) if self.kind == "split attention" else max(1, len(self.sides))

    @property
    def weights(self) -> Tensor:
        """The weights of the last pass, (B, choices, channels). A gate has one choice, with weights from 0 to 1.

        Those of kernels or splits add up to one over the choices.
        """
        assert self.record.last is not None
        return _READ[self.kind](self.module, self.record.last.flatten(1))

    @property
    def largest(self) -> int:
        """The place of the largest kernel among the choices."""
        return max(range(len(self.sides)), key=self.sides.__getitem__)


def recorded(network: N) -> tuple[N, list[Site]]:
    """A replica that records its attention, and the places of it in the order of the network."""
    made, sites = replica(network), []
    for name, module in list(made.named_modules()):
        if isinstance(module, SqueezeExcite | SelectiveKernel | SplitAttention):
            module.fc2 = record = Recorded(module.fc2)  # type: ignore[assignment]
            sides = tuple(_side(path) for path in module.paths) if isinstance(module, SelectiveKernel) else ()
            sites.append(Site(name.rpartition(".")[0] or name, _KINDS[type(module)], module, record, sides))
    return made, sites


def _side(path: nn.Module) -> int:
    """The pixels from end to end of the kernel of a path, with its dilation."""
    conv = next(module for module in path.modules() if isinstance(module, nn.Conv2d))
    return int(conv.dilation[0] * (conv.kernel_size[0] - 1) + 1)


def _gate(module: nn.Module, logits: Tensor) -> Tensor:
    return logits.sigmoid()[:, None]


def _kernels(module: nn.Module, logits: Tensor) -> Tensor:
    assert isinstance(module, SelectiveKernel)
    n, channels = logits.shape
    return logits.view(n, len(module.paths), channels // len(module.paths)).softmax(1)


def _splits(module: nn.Module, logits: Tensor) -> Tensor:
    assert isinstance(module, SplitAttention)
    n, channels = logits.shape
    return module.weights(logits).view(n, module.radix, channels // module.radix)


_KINDS: dict[type[nn.Module], Kind] = {
    SqueezeExcite: "squeeze-and-excitation",
    SelectiveKernel: "selective kernels",
    SplitAttention: "split attention",
}
_READ: dict[Kind, Callable[[nn.Module, Tensor], Tensor]] = {
    "squeeze-and-excitation": _gate,
    "selective kernels": _kernels,
    "split attention": _splits,
}
