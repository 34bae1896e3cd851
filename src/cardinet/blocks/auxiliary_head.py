"""An auxiliary head as a module; see `networks.auxiliary_head` for its parts."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cardinet.blocks.inception import ConvNormReLU


class AuxiliaryHead(nn.Module):
    """(N, C, H, W) to logits (N, num_classes): pool, conv0, conv1, ..., then hidden, dropout or avgpool, and fc.

    With a `grid` the first pool is the average over grid x grid parts of the map, whatever its size. Raises ValueError
    for a `shape` (C, H, W) that is too small for the pool or for a convolution.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        num_classes: int,
        *,
        pool: tuple[int, int],
        grid: int | None,
        convolutions: Sequence[tuple[int, int]],
        norm: bool,
        hidden: int | None,
        dropout: float,
        stds: tuple[float, float] | None,
    ) -> None:
        super().__init__()
        (channels, height, width), (kernel, stride) = shape, pool
        self.pool: nn.Module = nn.AvgPool2d(kernel, stride) if grid is None else nn.AdaptiveAvgPool2d(grid)
        sides = [(side - kernel) // stride + 1 if grid is None else grid for side in (height, width)]
        self.convolutions: list[str] = []
        for i, (kernel, w_out) in enumerate(convolutions):
            name = f"conv{i}"
            self.add_module(name, ConvNormReLU(channels, width=w_out, kernel=(kernel,) * 2, padding="valid", norm=norm))
            self.convolutions.append(name)
            channels, sides = w_out, [side - kernel + 1 for side in sides]
        if min(sides) < 1:
            raise ValueError("the map is too small")
        self.hidden: nn.Module
        if hidden is None:
            self.hidden = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        else:
            first = nn.Linear(channels * sides[0] * sides[1], hidden)
            self.hidden, channels = nn.Sequential(nn.Flatten(), first, nn.ReLU(inplace=True)), hidden
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        self.stds = stds

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        for name in self.convolutions:
            x = getattr(self, name)(x)
        y: Tensor = self.fc(self.dropout(self.hidden(x)))
        return y

    def initialise(self, init: str) -> None:
        """Draw the weights that have a deviation of their own, normal within 2 (as torchvision does)."""
        if self.stds is not None:
            last = self.get_submodule(self.convolutions[-1]).get_parameter("conv.weight")
            for weight, std in zip((last, self.fc.weight), self.stds, strict=True):
                nn.init.trunc_normal_(weight, std=std)
