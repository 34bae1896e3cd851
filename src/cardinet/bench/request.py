"""The request of a benchmark, which is checked completely before any work."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.output_paths import check_new_page
from cardinet.base.settings import parse_group
from cardinet.base.whole_numbers import SEED, SIDE, THREADS, require_whole
from cardinet.bench.contender import Contender
from cardinet.bench.contenders import chosen
from cardinet.bench.fresh import fresh_model, takes
from cardinet.bench.layer_times import MEASURES as LAYERED
from cardinet.bench.work import Work
from cardinet.blocks.classifier import Classifier
from cardinet.evaluate.opening import AskedModel, Opened, model_path, opened
from cardinet.networks.registry import find
from cardinet.runs.environment import device_of
from cardinet.runs.memory_checks import require_batch
from cardinet.runs.model_file import Model
from cardinet.runtimes.runtime import PRECISIONS, Precision

Name = TypeVar("Name", bound=str)

MEASURES = {
    "inference": "a pass in eval mode",
    "training": "a step of training",
    "start": "from a new process to its first answer",
}
LONGEST = 3600.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be measured of a model, or of the network of a name.

    A named network gets new weights; `words` and `delta` change its description. `measures`, `against`, `precisions`
    and `batch_sizes` are words with commas. `seconds` is the approximate time of the rounds of one contest. `layers`
    asks where the time of our network's passes goes.
    """

    model: Model | str | os.PathLike[str]
    measures: Sequence[str] = ("inference",)
    against: Sequence[str] = ("all",)
    precisions: Sequence[str] = ("float32",)
    batch_sizes: Sequence[str] = ("1", "8")
    input_size: int | None = None
    threads: int | None = None
    seconds: float = 10.0
    words: Sequence[str] = ()
    delta: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"
    out: Path | None = None
    layers: bool = False

    def check(self) -> Checked:
        """The checked words. Raises RequestError with all faults of the request itself, without a model."""
        findings, found = Findings(), Checked()
        with findings:
            found = replace(found, measures=_known("--measure", self.measures, MEASURES))
        with findings:
            found = replace(found, contenders=chosen(self.against))
        with findings:
            found = replace(found, precisions=_known("--precision", self.precisions, PRECISIONS))
        with findings:
            found = replace(found, batches=_whole("--batch-size", self.batch_sizes))
        with findings:
            require_whole(1, SIDE, input_size=1 if self.input_size is None else self.input_size)
        with findings:
            require_whole(1, THREADS, threads=1 if self.threads is None else self.threads)
        with findings:
            require_whole(0, SEED, seed=self.seed)
        with findings:
            if not 0 < self.seconds <= LONGEST:
                raise RequestError(f"seconds = {self.seconds:g}: give a number above 0, at most {LONGEST:g}.")
        with findings:
            if self.layers and found.measures and not set(found.measures) & set(LAYERED):
                raise RequestError("--layers looks at inference and training; give one of them to --measure.")
            if self.layers and self.device.startswith("cuda"):
                raise RequestError(f"--layers looks at the CPU, and the device is {self.device}; omit one of them.")
        with findings:
            if self.out is not None:
                check_new_page(self.out)
        findings.raise_if_any()
        return found


@dataclass(frozen=True)
class Checked:
    """The words of a request as values."""

    measures: tuple[str, ...] = ()
    contenders: tuple[Contender, ...] = ()
    precisions: tuple[Precision, ...] = ()
    batches: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Asked:
    """A request with its opened model and its checked words."""

    request: Request
    opened: Opened
    checked: Checked
    side: int
    threads: int
    device: str

    @property
    def model(self) -> Model:
        return self.opened.model

    def works(self) -> Iterator[Work]:
        """All kinds of work, in the order of the result. A cold start answers for one picture."""
        for measure in self.checked.measures:
            for precision in self.checked.precisions:
                for batch in (1,) if measure == "start" else self.checked.batches:
                    yield Work(measure, precision, batch, self.threads, self.device)


def resolve(request: Request) -> Asked:
    """Open the model and check everything. Raises RequestError or WorkError with all faults."""
    checked, named = list[Checked](), _is_name(request.model)

    def check() -> None:
        findings = Findings()
        with findings:
            checked.append(request.check())
        with findings:
            if request.words and not named:
                raise RequestError(
                    "--set changes the description of a named network, not a trained model; give the name of a network."
                )
        findings.raise_if_any()

    def check_model(model: Model) -> None:
        if not isinstance(model.network, Classifier):
            raise RequestError(f"{type(model.network).__name__} is not a network of Cardinet.")
        side = request.input_size or model.preprocessing.crop
        if not takes(model.network, side):
            raise RequestError(f"The network cannot take pictures of {side} x {side} pixels; see --input-size.")
        most = max(checked[0].batches) if checked else 1
        preprocessing = model.preprocessing.model_copy(update={"crop": side})
        require_batch(model.network, preprocessing, most, "A benchmark")

    prepare = None
    if named:
        row, delta = None, {}
        findings = Findings()
        with findings:
            row = find(str(request.model))
        with findings:
            check()
        with findings:
            delta = {**parse_group(request.words, "network"), **request.delta}
            if row is not None:
                row.spec.but(**delta)
        findings.raise_if_any()
        assert row is not None
        side = request.input_size or row.input_size

        def prepare(device: str) -> object:
            return lambda source: (fresh_model(row, delta, side, request.seed), ())

    asked = AskedModel(model=request.model, prepare=prepare)  # type: ignore[arg-type]
    device, findings = "cpu", Findings()
    with findings:
        device = device_of(request.device)
    with findings:
        found = opened(asked, check=(lambda: None) if named else check, check_model=check_model)
    findings.raise_if_any()
    threads = request.threads or _cores()
    return Asked(request, found, checked[0], request.input_size or found.model.preprocessing.crop, threads, device)


def _is_name(model: object) -> bool:
    return isinstance(model, str) and model_path(model) is None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else torch.get_num_threads()


def _words(words: Sequence[str]) -> list[str]:
    return [word.strip() for text in words for word in text.split(",")]


def _known(option: str, words: Sequence[str], known: Collection[Name]) -> tuple[Name, ...]:
    """The words of an option, each once. Raises RequestError that names all unknown ones."""
    typed = _words(words)
    wrong = [word for word in typed if word not in known]
    if wrong or not typed:
        raise RequestError(*(f'{option} "{word}": there is no such one ({nearest(word, known)}).' for word in wrong))
    return tuple(dict.fromkeys(name for word in typed for name in known if name == word))


def _whole(option: str, words: Sequence[str]) -> tuple[int, ...]:
    """Whole numbers from 1 on, each once."""
    typed = _words(words)
    wrong = [word for word in typed if not (word.isascii() and word.isdigit() and 0 < len(word) < 7 and int(word) > 0)]
    if wrong:
        raise RequestError(*(f'{option} "{word}": give whole numbers from 1 to 999,999, as in 1,8.' for word in wrong))
    return tuple(dict.fromkeys(int(word) for word in typed))
