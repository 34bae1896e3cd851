"""The use of the fastest runtime by a job on pictures: what a user asks for, what is refused, and what is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.blocks.training_mode import eval_mode
from cardinet.fast.choice import PLAIN, kept
from cardinet.fast.job import PIXELS, Asked, conditions_of, fast_network, once_more
from cardinet.fast.rule import FEWEST, SECONDS, SHARE, pays
from cardinet.measure.available_memory import require_bytes
from cardinet.measure.memory import network_bytes, precision_of
from cardinet.runs.computed_by import EAGER, ComputedBy, computed_by
from cardinet.runs.model_file import Model
from cardinet.runtimes import RUNTIMES
from cardinet.runtimes.runtime import PRECISIONS, Precision

COMPARED = 32
"""The least pictures whose answers are compared for a choice, if there are so many."""

TIMED = 4
"""The pictures of a pass that shows how slow the network is."""

COPIES = 14
"""The copies of the parameters in memory during a choice: those of a translation, and a copy in each runtime."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a user asks for. `fast` is True, False, or None: where it pays (`rule`).

    `precisions` are allowed beside float32, which always is; they are for `fast` only.
    """

    fast: bool | None = None
    precisions: Sequence[str] = ("float32",)

    @property
    def allowed(self) -> tuple[Precision, ...]:
        """The allowed precisions, each once."""
        return tuple(name for name in PRECISIONS if name == "float32" or name in self.precisions)

    def check(self) -> None:
        """Raise RequestError with all that is wrong whatever the model is."""
        findings = Findings()
        for name in self.precisions:
            with findings:
                if name not in PRECISIONS:
                    raise RequestError(f'--precision: there is no precision "{name}" ({nearest(name, PRECISIONS)}).')
        with findings:
            if not self.fast and set(self.precisions) - {"float32"}:
                raise RequestError(
                    f"--precision {','.join(self.precisions)}: these are the precisions that --fast may choose; add "
                    "--fast, or omit them."
                )
        findings.raise_if_any()

    def check_network(self, network: nn.Module) -> None:
        """Raise RequestError if no runtime but eager mode can be chosen for a network where it is."""
        if not self.fast or computed_by(network).runtime != PLAIN:
            return
        device, precision = _device(network), precision_of(network)
        if precision != torch.float32:
            raise RequestError(
                f"--fast: the network's parameters are {str(precision).removeprefix('torch.')}, and a choice is for "
                "float32; omit it."
            )
        others = [name for name in Asked().among if name != PLAIN and device.type in RUNTIMES[name].devices]
        if not others and set(self.allowed) == {"float32"}:
            raise RequestError(
                f"--fast: on {device} there is no other runtime than eager mode; omit it, give --device cpu, or allow "
                "another precision: --precision float32,bfloat16."
            )


WHERE_IT_PAYS = Wanted()
"""The default of predictions."""

NEVER = Wanted(fast=False)
"""Always eager mode."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The pictures of a job: `left` of `total` are to be computed, at most `batch_size` together.

    `first(n)` gives the first n of all, or fewer, as the network gets them, float32 (N, C, H, W) on its device; None if
    none can be read. `begun` is what has computed the answers that are there already.
    """

    left: int
    total: int
    batch_size: int
    first: Callable[[int], Tensor | None]
    begun: ComputedBy | None = None


def at_speed(model: Model, wanted: Wanted, pictures: Pictures) -> tuple[Model, tuple[str, ...]]:
    """A model whose network is run for these pictures as it is wanted, and sentences for the user.

    A job that was begun goes on with its runtime; if it cannot or must not, a sentence says so. A model whose network
    is run by a runtime already stays as it is. Raises RequestError if the memory does not suffice for a choice.
    """
    if pictures.left == 0 or computed_by(model.network) != EAGER:
        return model, ()
    if pictures.begun is not None:
        return _gone_on(model, wanted, pictures, pictures.begun)
    if wanted.fast is False or (wanted.fast is None and not _pays(model, pictures)):
        return model, ()
    require_bytes(_bytes(model.network), "cpu", "The choice of a runtime (--fast)")
    shape = _shape(model, pictures)
    sample = pictures.first(max(COMPARED, shape[0]))
    if sample is None:
        return model, ("Eager mode runs the network: none of the first pictures can be used to choose a runtime.",)
    with eval_mode(model.network):
        network, choice = fast_network(model.network, sample, Asked(batch_size=shape[0], precisions=wanted.allowed))
    said = choice.sentences()
    if wanted.fast is None and choice.computed_by != EAGER:
        said = (*said, f"It was chosen because {pictures.left:,} pictures are many; --no-fast forbids it.")
    return _with(model, network), said


def _gone_on(model: Model, wanted: Wanted, pictures: Pictures, begun: ComputedBy) -> tuple[Model, tuple[str, ...]]:
    """The model by the runtime that has begun the job, or by eager mode."""
    if begun == EAGER:
        said = f"The answers that are there were computed by {begun.name}, which goes on."
        return model, (said,) if wanted.fast else ()
    network, reason = model.network, "--no-fast forbids it"
    if wanted.fast is not False:
        shape = _shape(model, pictures)
        sample, reason = pictures.first(max(COMPARED, shape[0])), "none of the first pictures can be used to compare"
        if sample is not None:
            with eval_mode(model.network):
                asked = Asked(batch_size=shape[0], precisions=wanted.allowed)
                network, reason = once_more(model.network, sample, begun, asked, shape[0])
    if not reason:
        return _with(model, network), (f"{begun.name} goes on, which has computed the answers that are there.",)
    return model, (
        f"The answers that are there were computed by {begun.name}; {EAGER.name} computes the others: {reason}.",
    )


def _with(model: Model, network: nn.Module) -> Model:
    """The model with another forward pass; where eager mode was chosen, with its own."""
    return model if computed_by(network) == EAGER else replace(model, network=network)


def _pays(model: Model, pictures: Pictures) -> bool:
    """Whether a choice pays (`rule`): by a kept choice's times, else by a pass of the network over few pictures."""
    network = model.network
    if pictures.left < FEWEST or _device(network).type != "cpu" or not _has_room(network):
        return False
    shape = _shape(model, pictures)
    choice = kept(conditions_of(network, Asked(batch_size=shape[0]), shape))
    if choice is not None:
        return pays(pictures.left, choice.saved, choice.chosen.preparation or 0.0)
    sample = pictures.first(TIMED)
    return sample is not None and pays(pictures.left, SHARE * _seconds(network, sample), SECONDS)


def _has_room(network: nn.Module) -> bool:
    try:
        require_bytes(_bytes(network), "cpu", "A choice")
    except RequestError:
        return False
    return True


def _bytes(network: nn.Module) -> int:
    return COPIES * network_bytes(network)


@torch.inference_mode()
def _seconds(network: nn.Module, pixels: Tensor) -> float:
    """The seconds of a picture in eager mode, after a pass that warms it."""
    with eval_mode(network):
        network(pixels)
        start = time.perf_counter()
        network(pixels)
        return (time.perf_counter() - start) / len(pixels)


def _shape(model: Model, pictures: Pictures) -> tuple[int, int, int, int]:
    """The pixels of a pass of a runtime. It depends little on the number of pictures, so that kept choices fit."""
    side, most = model.preprocessing.crop, pictures.batch_size
    if _device(model.network).type == "cpu":
        most = min(most, PIXELS // side**2)
    batch = max(1, min(most, 1 << (pictures.total - 1).bit_length()))
    return batch, model.preprocessing.channels, side, side


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
