"""Measure a model: one contest for each kind of work, beside the peaks of the machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cardinet.bench.contenders import OURS, contenders
from cardinet.bench.contest import Contest, hold
from cardinet.bench.floors import floor, layers_of
from cardinet.bench.kind_floors import kind_floors
from cardinet.bench.layer_times import MEASURES as LAYERED
from cardinet.bench.layer_times import LayerTimes, layer_times
from cardinet.bench.machine import described, load, warnings
from cardinet.bench.peaks import Peaks, measure_peaks
from cardinet.bench.request import Asked
from cardinet.bench.runtime_contender import CALIBRATION
from cardinet.bench.work import Subject, Unable, Work
from cardinet.bench.worker import Worker
from cardinet.networks.registry import named_network
from cardinet.runs.model_file import save_model

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

Progress = Callable[[str, int, int], None]

SPREAD = "lower and upper quartile over the rounds"


@dataclass(frozen=True)
class Result:
    """What was measured: the contests, the peaks of the machine, the machine, and its load at both ends."""

    network: str
    model: str
    side: int
    seed: int
    machine: dict[str, Any]
    peaks: Peaks
    contests: tuple[Contest, ...]
    load: dict[str, dict[str, Any]]
    notes: tuple[str, ...] = ()
    layers: tuple[LayerTimes, ...] = ()

    def to_document(self) -> dict[str, Any]:
        """Plain data, as `cardinet bench --json` prints it."""
        about = {"network": self.network, "model": self.model, "input_size": self.side, "seed": self.seed}
        machine = {"machine": self.machine, "load": self.load, "peaks": self.peaks.to_document()}
        contests = [contest.to_document() for contest in self.contests]
        layers = [layer.to_document() for layer in self.layers]
        found = {"spread": SPREAD, "contests": contests, "layers": layers, "notes": list(self.notes)}
        return {**about, **machine, **found}


def measure(asked: Asked, progress: Progress = lambda what, done, total: None) -> Result:
    """Hold all contests of a request. A contender that cannot take part is named, and is no error."""
    start = load()
    works = [*asked.works()]
    with tempfile.TemporaryDirectory(prefix="cardinet-bench-") as folder:
        subject = subject_in(Path(folder), asked, works)
        progress("measuring the peaks of this machine", 0, 1)
        with Worker(asked.threads) as worker:
            peaks: Peaks = worker.ask(partial(measure_peaks, threads=asked.threads, device=asked.device))
        held = contests(asked, subject, works, peaks, progress)
        layers, unseen = _layers(asked, subject, works, peaks, progress)
    end = load()
    row = named_network(asked.model.spec)
    return Result(
        network=type(asked.model.spec).__name__ if row is None else row.id,
        model=subject.name,
        side=asked.side,
        seed=asked.request.seed,
        machine=described(asked.device, asked.threads),
        peaks=peaks,
        contests=held,
        load={"start": start, "end": end},
        notes=(*asked.opened.notes, *unseen, *warnings(start, end)),
        layers=layers,
    )


def subject_in(folder: Path, asked: Asked, works: Sequence[Work]) -> Subject:
    """The files of the contenders: the model file, and random pictures as `predict` would give them to the network."""
    count = max(work.batch for work in works)
    if any(work.precision == "int8" for work in works):
        count += CALIBRATION
    model = asked.model
    preprocessing = model.preprocessing.model_copy(update={"crop": asked.side})
    name = asked.request.model if isinstance(asked.request.model, str) else type(model.spec).__name__
    subject = Subject(folder, str(name), asked.side, preprocessing.channels, model.spec.num_classes)
    save_model(subject.model_file, replace(model, preprocessing=preprocessing))
    generator = torch.Generator().manual_seed(asked.request.seed)
    shape = (count, preprocessing.channels, asked.side, asked.side)
    drawn = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    np.save(folder / "pixels.npy", preprocessing.normalise(drawn).contiguous().numpy())
    return subject


def reference(subject: Subject, work: Work) -> Array:
    """What all have to answer: our network's answers in float32 on the CPU."""
    from cardinet.bench.lane import first_answers

    exact = replace(work, precision="float32", device="cpu", threads=torch.get_num_threads())
    return first_answers({}, contenders()[OURS], subject, exact)


def _layers(
    asked: Asked, subject: Subject, works: Sequence[Work], peaks: Peaks, progress: Progress
) -> tuple[tuple[LayerTimes, ...], tuple[str, ...]]:
    """Where the time of our network's passes goes, if it is asked for, and sentences on what could not be looked at."""
    looked = [work for work in works if asked.request.layers and work.measure in LAYERED]
    found, unseen = [], []
    for number, work in enumerate(looked):
        progress("looking at the layers", number, len(looked))
        shape = (work.batch, subject.channels, subject.side, subject.side)
        training = work.measure == "training"
        floors = kind_floors(asked.model.network, shape, peaks, work.precision, training=training)
        try:
            found.append(layer_times(contenders()[OURS], subject, work, floors))
        except Unable as error:
            unseen.append(f"The layers of {work.measure} in {work.precision} could not be looked at: {error}.")
    return tuple(found), tuple(unseen)


def contests(
    asked: Asked, subject: Subject, works: Sequence[Work], peaks: Peaks, progress: Progress
) -> tuple[Contest, ...]:
    """Hold one contest for each kind of work."""
    return tuple(_contest(asked, subject, work, peaks, progress) for work in works)


def _contest(asked: Asked, subject: Subject, work: Work, peaks: Peaks, progress: Progress) -> Contest:
    least = None
    if work.measure == "inference":
        layers = layers_of(asked.model.network, asked.side, subject.channels, work.batch)
        least = floor(layers, peaks, work.precision)
    return hold(
        asked.checked.contenders,
        subject,
        work,
        reference(subject, work),
        seconds=asked.request.seconds,
        floor=least,
        progress=progress,
    )
