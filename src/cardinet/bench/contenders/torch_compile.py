"""torch.compile of our network."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from cardinet.bench.contender import Contender, Pass
from cardinet.bench.torch_passes import inference_pass, placed, set_threads, training_pass
from cardinet.bench.work import Subject, Unable, Work

if TYPE_CHECKING:
    from torch import Tensor, nn


class TorchCompile(Contender):
    """For inference with frozen weights, so that BN is folded and weights are packed once."""

    name, about = "torch-compile", "torch.compile of our network, frozen for inference"
    measures = ("inference", "training", "start")

    def inference(self, subject: Subject, work: Work) -> Pass:
        import torch

        from cardinet.rewrite.strip import strip

        set_threads(work)
        network = placed(strip(subject.model(work.device).network), work, torch.channels_last)
        return _checked(inference_pass(_compiled(network, subject, True), subject, work, torch.channels_last))

    def training(self, subject: Subject, work: Work) -> Pass:
        import torch

        from cardinet.rewrite.strip import strip

        set_threads(work)
        network = strip(subject.model(work.device).network)

        def compiled(module: nn.Module) -> Callable[[Tensor], Tensor]:
            return _compiled(module, subject, False)

        return _checked(training_pass(network, subject, work, torch.channels_last, compiled=compiled))


def _compiled(network: nn.Module, subject: Subject, frozen: bool) -> Callable[[Tensor], Tensor]:
    """The compiled network. What it compiles is kept in the folder of the subject."""
    import torch

    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(subject.folder / "inductor")
    os.environ["TORCHINDUCTOR_FREEZING"] = "1" if frozen else "0"
    from torch._inductor import config

    config.freezing = frozen
    config.compile_threads = 1
    found: Callable[[Tensor], Tensor] = torch.compile(network)
    return found


def _checked(once: Pass) -> Pass:
    """A pass whose first call may find that there is no compiler."""

    def tried() -> object:
        try:
            return once()
        except Exception as error:
            kind = type(error).__name__
            if "InvalidCxxCompiler" in f"{kind} {error}":
                raise Unable("it needs a C++ compiler, and there is none") from error
            raise

    return tried  # type: ignore[return-value]
