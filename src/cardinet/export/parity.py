"""The proof of an exported file: the network, and the file in its runtime, classify the same pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cardinet.base.amounts import amount
from cardinet.base.errors import CardinetError, WorkError
from cardinet.base.rounding import ROUNDING, float32_limit, share
from cardinet.export.answers import Answers, answers_of
from cardinet.export.proof_pictures import Pictures, feed
from cardinet.export.runner import Runner, reason
from cardinet.runtimes.formats import quantized_formats

SHARE = 0.001
"""The share of predictions that may differ in a float file; at least one may."""

POINTS = 0.005
"""The allowed increase of the error of an int8 file: 0.5 points."""

UNEVEN = 0.1
"""The allowed difference of an int8 file's logits between batches, relative to the largest logit."""

LISTED = 10
BATCH = 64
OTHERS = (1, 3)
"""Other batch sizes for the first pictures, because a file must accept any number."""


@dataclass(frozen=True)
class Disagreement:
    """A picture for which a file and the network differ; `margin` is how far its answer is from another."""

    picture: str
    before: str
    after: str
    margin: float
    near_tie: bool


@dataclass(frozen=True)
class Parity:
    """A comparison of a file with the network.

    `largest` is the largest difference of a logit, `relative` the same as a share of the network's largest logit.
    `finite` says that all logits are finite. The numbers of wrong predictions are None if the true classes are unknown.
    `uneven` is the largest difference, also as a share, between the logits of a picture in batches of 1, 3 and up to
    64.
    """

    count: int
    disagreements: tuple[Disagreement, ...]
    largest: float
    relative: float
    finite: bool
    wrong_before: int | None
    wrong_after: int | None
    uneven: float = 0.0

    @property
    def differing(self) -> int:
        return len(self.disagreements)

    @property
    def agreement(self) -> float:
        """The share of pictures with the same answer."""
        return 1 - self.differing / self.count

    @property
    def growth(self) -> float | None:
        """The increase of the error, as a share."""
        if self.wrong_before is None or self.wrong_after is None:
            return None
        return (self.wrong_after - self.wrong_before) / self.count

    def float_problems(self, rounding: Callable[[], float] = lambda: 0.0) -> tuple[str, ...]:
        """The reasons why a float file does not match the network, in sentences; empty if it matches.

        `rounding` computes the float32 rounding of the network itself, relative to its largest logit. It is called only
        if the logits differ by more than the usual rounding.
        """
        limit = float32_limit(max(self.relative, self.uneven), rounding)
        allowed = max(1, int(SHARE * self.count))
        found = []
        if not self.finite:
            found.append("Some of its logits are not finite.")
        if self.differing > allowed:
            ties = sum(d.near_tie for d in self.disagreements)
            found.append(
                f"{self.differing:,} of {self.count:,} predictions differ from the network's; at most {allowed:,} "
                f"may. {ties:,} of them are near-ties. {self.listed()}"
            )
        if self.finite and not self.relative <= limit:
            found.append(
                f"Its logits differ by up to {self.relative:.1e} of the largest one; rounding explains at most "
                f"{limit:.0e}."
            )
        return (*found, *self._uneven(limit))

    def int8_problems(self) -> tuple[str, ...]:
        """The reasons why an int8 file is too far from the network, in sentences; empty if it is close enough."""
        if not self.finite:
            return ("Some of its logits are not finite.",)
        if self.growth is None or self.growth <= POINTS:
            return self._uneven(UNEVEN)
        before, after = (100 * (wrong or 0) / self.count for wrong in (self.wrong_before, self.wrong_after))
        return (
            *self._uneven(UNEVEN),
            f"The error grows from {before:.2f} % to {after:.2f} % on {amount(self.count, 'picture')}, and at most "
            f"{100 * POINTS:g} points are allowed.",
        )

    def after_int8(self, format: str) -> str:
        """What to do where an int8 file is refused, as one sentence."""
        other = " or ".join(name for name in quantized_formats() if name != format)
        few = self.count * POINTS < 1
        first = "name more pictures as data (a single one is more than the allowed share), " if few else ""
        return (
            f"What to do: {first}try the format {other}, which is quantized in another way, or leave out int8 (an "
            "OpenVINO file runs in bfloat16 where the processor has it)."
        )

    def _uneven(self, limit: float) -> tuple[str, ...]:
        if not self.finite or self.uneven <= limit:
            return ()
        return (f"Its logits of a picture depend on the batch size, by up to {self.uneven:.1e} of the largest one.",)

    def listed(self) -> str:
        """The first disagreements as a text."""
        lines = [
            f"{d.picture}: {d.before} -> {d.after}, margin {d.margin:.1e}{' (near-tie)' if d.near_tie else ''}"
            for d in self.disagreements[:LISTED]
        ]
        more = f"; and {self.differing - LISTED:,} more" if self.differing > LISTED else ""
        return "; ".join(lines) + more + "." if lines else ""

    def to_document(self) -> dict[str, Any]:
        """Plain data, with all near-ties and the first other disagreements."""
        ties = [d for d in self.disagreements if d.near_tie]
        others = [d for d in self.disagreements if not d.near_tie]
        count = self.count
        return {
            "count": count,
            "agreement": self.agreement,
            "differing": self.differing,
            "near_ties": [vars(d) for d in ties],
            "disagreements": [vars(d) for d in others[:LISTED]],
            "largest_difference": self.largest,
            "relative_difference": self.relative,
            "difference_between_batches": self.uneven,
            "finite": self.finite,
            "error_before": None if self.wrong_before is None else self.wrong_before / count,
            "error_after": None if self.wrong_after is None else self.wrong_after / count,
        }


class _Tally:
    """Collects the logits of one runner, picture by picture."""

    def __init__(self, count: int, answers: Answers) -> None:
        self.answers, self.best = answers, np.zeros((count, answers.width), np.int64)
        self.difference = np.zeros(count)
        self.finite, self.uneven = True, 0.0

    def add(self, rows: slice, logits: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
        self.finite = self.finite and bool(np.isfinite(logits).all())
        self.best[rows] = self.answers.of(logits)
        self.difference[rows] = np.abs(logits.astype(np.float64) - expected).max(1)

    def again(self, logits: npt.NDArray[Any], before: npt.NDArray[Any]) -> None:
        """Compare the logits of pictures in a batch of another size with those before."""
        self.finite = self.finite and bool(np.isfinite(logits).all())
        self.uneven = max(self.uneven, float(np.abs(logits.astype(np.float64) - before).max()))


def compare(
    network: Runner,
    files: Mapping[str, Runner],
    pictures: Pictures,
    classes: tuple[str, ...],
    dtype: str,
    progress: Callable[[int, int], None] | None = None,
    thresholds: tuple[float, ...] = (),
) -> dict[str, Parity]:
    """Compare each file with the network on all pictures, each once; `dtype` is the input type of the files.

    With `thresholds` an answer has several labels.

    Raises WorkError if a file does not accept a batch size, or does not give a row of logits for each picture, and if
    the logits of the network itself are not finite.
    """
    answers = answers_of(classes, thresholds)
    tallies, own = {name: _Tally(pictures.count, answers) for name in files}, _Tally(pictures.count, answers)
    margin, scale = np.zeros(pictures.count), np.zeros(pictures.count)
    done = 0
    for pixels in pictures.batches(BATCH):
        given = feed(pixels, pictures.preprocessing, dtype)
        rows = slice(done, done + len(pixels))
        expected = network.logits(given).astype(np.float64)
        if not np.isfinite(expected).all():
            first = pictures.name(done + int(np.flatnonzero(~np.isfinite(expected).all(1))[0]))
            raise WorkError(
                f"The logits of the network itself are not finite, first for {first}: the model is damaged. "
                "Train it again."
            )
        own.add(rows, expected, expected)
        margin[rows], scale[rows] = answers.margin(expected), np.abs(expected).max(1)
        for name, runner in files.items():
            logits = _run(name, runner, given, expected.shape)
            tallies[name].add(rows, logits, expected)
            for size in OTHERS if done == 0 else ():
                few = np.resize(given, (size, *given.shape[1:]))
                first_ones = np.resize(logits, (size, *logits.shape[1:]))
                tallies[name].again(_run(name, runner, few, first_ones.shape), first_ones)
        done += len(pixels)
        if progress is not None:
            progress(done, pictures.count)
    return {name: _parity(tally, own.best, margin, scale, pictures) for name, tally in tallies.items()}


def _run(name: str, runner: Runner, given: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The logits of a file. Raises WorkError if it fails, or if they do not have this shape."""
    pictures = f"{len(given)} {'picture' if len(given) == 1 else 'pictures'}"
    try:
        logits = runner.logits(given)
    except (CardinetError, MemoryError):
        raise
    except Exception as error:  # each runtime has its own errors
        raise WorkError(f"The {name} file fails in its runtime for {pictures} at once ({reason(error)}).") from error
    if logits.shape != shape:
        raise WorkError(
            f"The {name} file gives logits of shape {logits.shape} for {pictures} at once, instead of {shape}."
        )
    return logits


def _parity(
    tally: _Tally,
    best: npt.NDArray[np.int64],
    margin: npt.NDArray[np.float64],
    scale: npt.NDArray[np.float64],
    pictures: Pictures,
) -> Parity:
    largest, reference, named = float(tally.difference.max()), float(scale.max()), tally.answers.named
    apart = tuple(
        Disagreement(
            pictures.name(i),
            named(best[i]),
            named(tally.best[i]),
            float(margin[i]),
            bool(margin[i] <= ROUNDING * reference),
        )
        for i in np.flatnonzero((tally.best != best).any(1)).tolist()
    )
    truth = None if pictures.labels is None else tally.answers.truth(pictures.labels)
    return Parity(
        count=pictures.count,
        disagreements=apart,
        largest=largest,
        relative=share(largest, reference),
        finite=tally.finite,
        wrong_before=None if truth is None else int((best != truth).any(1).sum()),
        wrong_after=None if truth is None else int((tally.best != truth).any(1).sum()),
        uneven=share(tally.uneven, reference),
    )
