"""torchvision's network in eager mode, in both layouts."""

from __future__ import annotations

from typing import ClassVar

from cardinet.bench.contender import Contender, Pass
from cardinet.bench.peers import library_network
from cardinet.bench.torch_passes import inference_pass, placed, set_threads, training_pass
from cardinet.bench.work import Subject, Work


class Torchvision(Contender):
    """NCHW, torch's own order."""

    name, about = "torchvision", "torchvision's network: eager, NCHW"
    libraries = ("torchvision",)
    layout: ClassVar[str] = "contiguous_format"
    library: ClassVar[str] = "torchvision"

    def inference(self, subject: Subject, work: Work) -> Pass:
        import torch

        set_threads(work)
        layout = getattr(torch, self.layout)
        return inference_pass(placed(library_network(subject, self.library), work, layout), subject, work, layout)

    def training(self, subject: Subject, work: Work) -> Pass:
        import torch

        set_threads(work)
        return training_pass(library_network(subject, self.library), subject, work, getattr(torch, self.layout))


class TorchvisionChannelsLast(Torchvision):
    """NHWC."""

    name, about = "torchvision-channels-last", "torchvision's network: eager, channels_last"
    layout = "channels_last"
