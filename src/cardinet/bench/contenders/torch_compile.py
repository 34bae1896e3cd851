"""torch.compile of our network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cardinet.bench.contender import Pass
from cardinet.bench.runtime_contender import RuntimeContender
from cardinet.bench.torch_passes import set_threads, training_pass
from cardinet.bench.work import Subject, Unable, Work

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor, nn


class TorchCompile(RuntimeContender):
    """For inference with frozen weights, so that BN is folded and weights are packed once."""

    name, about = "torch-compile", "torch.compile of our network, frozen for inference"
    runtime = "compile"
    measures = ("inference", "training", "start")

    def prepare(self, subject: Subject, work: Work) -> Pass:
        """What it compiles is kept in the folder of the subject. A step compiles in its first pass."""
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(subject.folder / "inductor")
        from torch._inductor import config

        config.compile_threads = 1
        with compiling():
            once = super().prepare(subject, work)

        def tried() -> npt.NDArray[Any]:
            with compiling():
                return once()

        return tried

    def training(self, subject: Subject, work: Work) -> Pass:
        import torch

        from cardinet.rewrite.strip import strip

        set_threads(work)
        network = strip(subject.model(work.device).network)

        def compiled(module: nn.Module) -> Callable[[Tensor], Tensor]:
            found: Callable[[Tensor], Tensor] = torch.compile(module)
            return found

        return training_pass(network, subject, work, torch.channels_last, compiled=compiled)


@contextmanager
def compiling() -> Iterator[None]:
    """A context that names a missing compiler. Raises Unable."""
    try:
        yield
    except Exception as error:
        if "InvalidCxxCompiler" in f"{type(error).__name__} {error}":
            raise Unable("it needs a C++ compiler, and there is none") from error
        raise
