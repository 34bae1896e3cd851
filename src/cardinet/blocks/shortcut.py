"""The shortcut around a transform: kinds A, B, C, identity and none (He et al. 2015, Sections 3.3 and 4.1)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.blocks.convolution import convolution


class ZeroPad(nn.Module):
    """Shortcut A where the shape changes: every `stride`-th pixel (or the mean), then zero channels up to w_out.

    `pad` adds them at the "end", as fb.resnet.torch does, or half on "both" sides, as other CIFAR code does.
    """

    def __init__(self, w_in: int, w_out: int, stride: int, *, pad: str, sample: str) -> None:
        super().__init__()
        new = w_out - w_in
        self.stride, self.sample = stride, sample
        self.channels = (0, new) if pad == "end" else (new // 2, new - new // 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.sample == "avg":
            small = F.avg_pool2d(x, self.stride, ceil_mode=True)  # the same size as after a strided convolution
        else:
            small = x[:, :, :: self.stride, :: self.stride]
        return F.pad(small, (0, 0, 0, 0, *self.channels))

    def extra_repr(self) -> str:
        return f"stride={self.stride}, channels={self.channels}, sample={self.sample}"


class Absent(nn.Module):
    """No shortcut: the unit is only its transform."""

    def forward(self, x: Tensor) -> None:
        return None


def projection(w_in: int, w_out: int, stride: int, project: str) -> nn.Sequential:
    """The layers of a shortcut's projection: "conv bn", "conv", "avg conv bn" or "conv3 bn"."""
    layers: list[nn.Module] = []
    kernel = 3 if project == "conv3 bn" and stride > 1 else 1
    if project == "avg conv bn":
        layers.append(
            nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
        )
        stride = 1
    layers.append(convolution(w_in, w_out, kernel, stride, padding=kernel // 2, bias=False))
    if project.endswith("bn"):
        layers.append(nn.BatchNorm2d(w_out))
    return nn.Sequential(*layers)


def shortcut(w_in: int, w_out: int, stride: int, *, kind: str, project: str, sample: str, pad: str) -> nn.Module:
    """The shortcut of a unit with w_in channels in and w_out out; A needs w_out >= w_in."""
    same = w_in == w_out and stride == 1
    if kind == "none" or (kind == "identity" and not same):
        return Absent()
    if kind in ("A", "B", "identity") and same:
        return nn.Identity()
    if kind == "A":
        return ZeroPad(w_in, w_out, stride, pad=pad, sample=sample)
    return projection(w_in, w_out, stride, project)
