"""Split attention: Zhang et al. 2020, Section 3.1 (arXiv 2004.08955)."""

from __future__ import annotations

from typing import ClassVar, cast

from torch import Tensor, nn


class SplitAttention(nn.Module):
    """conv to radix x channels, bn0, relu; the splits are weighted per channel and summed.

    The weights are a softmax over the splits (with one split a sigmoid) of fc2( relu( bn1( fc1( mean(sum of the
    splits) ) ) ) ); fc1 and fc2 have `cardinality` groups and a bias. A 3x3 average pool, before or after all this, has
    the stride.
    """

    starts_closed = True  # ResNeSt starts training with a gamma of 0 in the last BN of a unit

    RECTIFIED: ClassVar[tuple[str, ...]] = ("bn0", "bn1")

    def __init__(
        self,
        w_in: int,
        w_out: int,
        kernel: int,
        stride: int,
        bias: bool,
        *,
        cardinality: int,
        radix: int,
        reduction: int,
        pool: str,
    ) -> None:
        super().__init__()
        self.radix, self.cardinality = radix, cardinality
        inner = max(w_out * radix // reduction, 32)
        strided = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else None
        self.pool_before = strided if pool == "before" else None
        self.conv = nn.Conv2d(w_in, w_out * radix, kernel, padding=kernel // 2, groups=cardinality * radix, bias=bias)
        self.bn0 = nn.BatchNorm2d(w_out * radix)
        self.relu = nn.ReLU(inplace=True)
        self.fc1 = nn.Conv2d(w_out, inner, 1, groups=cardinality)
        self.bn1 = nn.BatchNorm2d(inner)
        self.fc2 = nn.Conv2d(inner, w_out * radix, 1, groups=cardinality)
        self.pool_after = strided if pool == "after" else None

    def forward(self, x: Tensor) -> Tensor:
        return self.merged(self.weighted(x))

    def weighted(self, x: Tensor) -> Tensor:
        """The splits, each times its weights: (N, radix, w_out, H, W)."""
        if self.pool_before is not None:
            x = self.pool_before(x)
        x = self.relu(self.bn0(self.conv(x)))
        n, channels, height, width = x.shape
        splits = x.view(n, self.radix, channels // self.radix, height, width)
        mean = self._summed(splits).mean((2, 3), keepdim=True)
        weights = self.weights(self.fc2(self.relu(self.bn1(self.fc1(mean)))))
        return splits * weights.view(n, self.radix, -1, 1, 1)

    def merged(self, weighted: Tensor) -> Tensor:
        """The sum of the weighted splits, with the stride of the unit."""
        y = self._summed(weighted)
        return y if self.pool_after is None else cast(Tensor, self.pool_after(y))

    def _summed(self, splits: Tensor) -> Tensor:
        return splits.sum(1) if self.radix > 1 else splits[:, 0]

    def weights(self, logits: Tensor) -> Tensor:
        """(N, radix * channels): fc2's outputs are ordered by cardinal group first, the splits by radix first."""
        if self.radix == 1:
            return logits.sigmoid()
        by_group = logits.view(logits.shape[0], self.cardinality, self.radix, -1)
        return by_group.transpose(1, 2).softmax(1).flatten(1)
