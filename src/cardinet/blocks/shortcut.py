"""The way around a transform: shortcuts A, B, C, identity and none (He et al. 2015, Sections 3.3 and 4.1)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class ZeroPad(nn.Module):
    """Shortcut A where the shape changes: every `stride`-th pixel, then zero channels up to w_out.

    fb.resnet.torch appends them at the `end`; other CIFAR code pads half on `both` sides.
    """

    def __init__(self, w_in: int, w_out: int, stride: int, pad: str) -> None:
        super().__init__()
        new = w_out - w_in
        self.stride = stride
        self.channels = (0, new) if pad == "end" else (new // 2, new - new // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.channels))

    def extra_repr(self) -> str:
        return f"stride={self.stride}, channels={self.channels}"


class Absent(nn.Module):
    """No way around: the unit is its transform alone."""

    def forward(self, x: Tensor) -> None:
        return None


def shortcut(w_in: int, w_out: int, stride: int, *, kind: str, pad: str) -> nn.Module:
    """The shortcut of a unit with w_in channels in and w_out out; A needs w_out >= w_in."""
    same = w_in == w_out and stride == 1
    if kind == "none" or (kind == "identity" and not same):
        return Absent()
    if kind in ("A", "B", "identity") and same:
        return nn.Identity()
    if kind == "A":
        return ZeroPad(w_in, w_out, stride, pad)
    return nn.Sequential(nn.Conv2d(w_in, w_out, 1, stride, bias=False), nn.BatchNorm2d(w_out))
