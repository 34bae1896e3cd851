"""timm's network in eager mode."""

from __future__ import annotations

from typing import ClassVar

from cardinet.bench.contenders.torchvision import TorchvisionChannelsLast


class Timm(TorchvisionChannelsLast):
    """channels_last, its own recommendation."""

    name, about = "timm", "timm's network: eager, channels_last"
    libraries, extra = ("timm",), "peers"
    library: ClassVar[str] = "timm"
