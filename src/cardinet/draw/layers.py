"""Layers as boxes. A convolution is "256, 3x3, 64": channels in, kernel, channels out, as in the ResNeXt paper."""

from __future__ import annotations

from cardinet.draw.flow import Box, Chain, box, chain

TIMES = "\u00d7"
NAMES = {"bn": "BN", "relu": "ReLU"}


def kernel_text(kernel: int | tuple[int, int]) -> str:
    """3 is 3x3, (1, 7) is 1x7; with the sign of a product."""
    rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    return f"{rows}{TIMES}{columns}"


def stride_text(stride: int) -> str:
    return f" /{stride}" if stride > 1 else ""


def convolution(w_in: int, kernel: int, w_out: int, stride: int = 1, *, groups: int = 1, more: str = "") -> Box:
    """A convolution with its channels, kernel, stride and groups."""
    group = f", group = {groups}" if groups > 1 else ""
    return box("conv", f"{w_in}, {kernel_text(kernel)}{stride_text(stride)}, {w_out}{group}{more}")


def words(text: str) -> Chain:
    """Norm and activation after a convolution, "bn relu", as one box; nothing if there are none."""
    return chain(box("norm", named(text))) if text else Chain()


def named(text: str) -> str:
    """The words "bn relu" as they are written in a figure."""
    return ", ".join(NAMES.get(word, word) for word in text.split())


def pool(kind: str, kernel: int, stride: int = 1) -> Box:
    """A max or average pool."""
    return box("pool", f"{kind} pool {kernel_text(kernel)}{stride_text(stride)}")


def feature_map(channels: int, place: str) -> Box:
    """A feature map at the beginning or the end of a unit, as the paper writes it: 256-d in."""
    return box("map", f"{channels}-d {place}")


def stem_text(kernel: int, width: int, stride: int, after: str = "") -> str:
    """A convolution of a stem with the layers after it, in one line."""
    return ", ".join(filter(None, [f"{kernel_text(kernel)}{stride_text(stride)}, {width}", named(after)]))
