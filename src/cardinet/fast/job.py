"""Choose the fastest runtime for a network on this machine, or take the choice that was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.whole_numbers import SIDE, require_whole
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.training_mode import eval_mode
from cardinet.fast.choice import PLAIN, Choice, conditions, keep, kept
from cardinet.fast.measuring import Progress, Rival, measured
from cardinet.fast.network import with_forward
from cardinet.runs.computed_by import ComputedBy
from cardinet.runs.model_file import Model
from cardinet.runtimes import RUNTIMES
from cardinet.runtimes.runtime import PRECISIONS, Precision

if TYPE_CHECKING:
    from cardinet.runtimes.runtime import Prepared

SLOW_TO_PREPARE = ("compile",)
"""The runtimes that are tried only when they are named: they compile for a minute or longer."""

PIXELS = 8 * 224 * 224
"""The pixels of a batch: more need more memory, and are hardly faster."""

COMPARED_AGAIN = 4
"""The pictures whose answers are compared when a choice is used again."""

MOST_DRAWN = 128
"""The most pictures that are drawn for a choice."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a choice is made for.

    `batch_size` is that of the passes of the runtime (by default as many pictures as have `PIXELS`). `precisions` are
    allowed; others than float32 change the answers a little. `among` are the runtimes that are tried.
    """

    batch_size: int | None = None
    precisions: Sequence[Precision] = ("float32",)
    among: Sequence[str] = tuple(name for name in RUNTIMES if name not in SLOW_TO_PREPARE)
    threads: int | None = None

    def check(self) -> None:
        """Raise RequestError with everything that is wrong."""
        findings = Findings()
        for what, given, known in (("precision", self.precisions, PRECISIONS), ("runtime", self.among, [*RUNTIMES])):
            for name in given:
                with findings:
                    if name not in known:
                        raise RequestError(f'There is no {what} "{name}" ({nearest(name, known)}).')
        with findings:
            if not self.precisions:
                raise RequestError(f"No precision is allowed; name one or more: {', '.join(PRECISIONS)}.")
        with findings:
            numbers = {"batch_size": self.batch_size, "threads": self.threads}
            require_whole(1, **{name: value for name, value in numbers.items() if value is not None})
        findings.raise_if_any()


def fast_network(
    network: nn.Module,
    pixels: Tensor,
    asked: Asked,
    *,
    progress: Progress = lambda text: None,
) -> tuple[nn.Module, Choice]:
    """A network in eval mode that is run by the fastest runtime, and the choice.

    `pixels`, float32 (N, C, H, W), are pictures as the network gets them: their answers are compared. A choice that was
    kept for the same conditions is used again after its answers were compared anew. Raises RequestError.
    """
    asked.check()
    batch = asked.batch_size or max(1, min(len(pixels), PIXELS // (pixels.shape[2] * pixels.shape[3])))
    shape = (batch, *pixels.shape[1:])
    about = conditions_of(network, asked, shape)
    choice = kept(about)
    run = None if choice is None else _compared(Rival(choice.runtime, choice.precision), network, pixels, asked, batch)
    if choice is None or run is None:
        choice, run = measured(network, pixels, about, device=_device(network), progress=progress)
        keep(choice)
    return with_forward(network, run, shape, choice.computed_by, choice), choice


def conditions_of(network: nn.Module, asked: Asked, shape: Sequence[int]) -> dict[str, Any]:
    """The conditions of a choice for batches of a shape."""
    return conditions(network, shape, asked.precisions, asked.among, _threads(asked), _device(network))


def once_more(network: nn.Module, pixels: Tensor, given: ComputedBy, asked: Asked, batch: int) -> tuple[nn.Module, str]:
    """A network in eval mode that is run by a given runtime, or why not, as the end of a sentence.

    The answers for a few of `pixels`, float32 (N, C, H, W), are compared, and nothing is measured. Its passes
    are of `batch` pictures.
    """
    if given.runtime not in RUNTIMES or given.precision not in PRECISIONS:
        return network, f"there is no {given.name} here"
    rival = Rival(given.runtime, given.precision)
    run = _compared(rival, network, pixels, asked, batch)
    if run is None:
        return network, f"{given.runtime} cannot be used now, as {rival.facts['left_out']}"
    return with_forward(network, run, (batch, *pixels.shape[1:]), given), ""


def _threads(asked: Asked) -> int:
    return torch.get_num_threads() if asked.threads is None else asked.threads


def _device(network: nn.Module) -> str:
    return str(next(network.parameters()).device)


def _compared(rival: Rival, network: nn.Module, pixels: Tensor, asked: Asked, batch: int) -> Prepared | None:
    """A prepared runtime that gave the network's answers for a few pictures; None, with the reason in its facts."""
    threads, device = _threads(asked), _device(network)
    logits = rival.prepare(network, pixels, batch, threads, device, COMPARED_AGAIN)
    few = pixels[:COMPARED_AGAIN]
    reference = None if logits is None else Rival(PLAIN, "float32").prepare(network, few, len(few), threads, device)
    if logits is not None and reference is not None:
        rival.compare(logits, reference)
    return rival.run


def fast_model(
    model: Model, pixels: Tensor, asked: Asked, *, progress: Progress = lambda text: None
) -> tuple[Model, Choice]:
    """A classifier whose network is run by the fastest runtime. Raises as `fast_network`."""
    network, choice = fast_network(model.network, pixels, asked, progress=progress)
    return replace(model, network=network), choice


def compile_network(
    given: Model | Classifier,
    pixels: Tensor | None = None,
    *,
    input_size: int | None = None,
    batch_size: int | None = None,
    precisions: Sequence[Precision] = ("float32",),
    among: Sequence[str] | None = None,
    threads: int | None = None,
    progress: Progress = lambda text: None,
) -> Any:
    """A classifier or network that this machine runs as fast as it can: the same kind of object, in eval mode.

    The runtimes among those installed are eager mode, Cardinet's own kernels, ONNX Runtime and OpenVINO, and
    torch.compile if `among` names it ("compile"; it takes a minute or longer). Each that agrees with the network on
    `pixels`, normalised float32 (N, C, H, W), is timed in turn; without pixels they are drawn, for the model's input or
    for `input_size`. The choice is kept for this machine, these versions and this network. `precisions` are those that
    may be chosen: with "bfloat16" and "int8" the answers change a little. The pixels give the ranges of int8.

    Only calls in eval mode without gradients, for float32 pictures of this size, are run so; all others are run by the
    network itself. The weights are those of now. `.choice` of the network has what was measured; `.sentences()` says
    it. Raises RequestError with everything that is wrong.
    """
    network = given.network if isinstance(given, Model) else given
    if not isinstance(network, Classifier):
        raise RequestError(f"{type(given).__name__} is no network of Cardinet; give a network or a loaded model.")
    known = {} if among is None else {"among": among}
    asked = Asked(batch_size=batch_size, precisions=precisions, threads=threads, **known)
    side = given.preprocessing.crop if isinstance(given, Model) and input_size is None else input_size
    findings = Findings()
    with findings:
        asked.check()
    with findings:
        if pixels is None and side is None:
            raise RequestError("input_size is missing: give the side of the pictures in pixels, or pixels.")
        if pixels is not None and (pixels.dim() != 4 or pixels.dtype != torch.float32 or not len(pixels)):
            raise RequestError(f"pixels are float32 of (N, C, H, W), not {pixels.dtype} of {tuple(pixels.shape)}.")
        if side is not None:
            require_whole(1, SIDE, input_size=side)
    findings.raise_if_any()
    if pixels is None:
        assert side is not None
        count = batch_size or max(1, min(MOST_DRAWN, PIXELS // side**2))
        pixels = torch.randn(count, network.spec.in_channels, side, side, generator=torch.Generator().manual_seed(0))
    with eval_mode(network):
        if isinstance(given, Model):
            return fast_model(given, pixels, asked, progress=progress)[0]
        return fast_network(network, pixels, asked, progress=progress)[0]
