"""The proof of an exported file: the same pictures through the network and through the file, in its own runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cardinet.export.pictures import Pictures, feed
from cardinet.export.runner import Runner

SHARE = 0.001
"""Of the predictions: so many may differ in a float file, or one."""

TOLERANCE = 1e-3
"""Relative to the largest logit: by so much a float file's logits may differ, and two best logits are a near-tie."""

POINTS = 0.005
"""By so much (0.5 points) the error of an int8 file may be above the network's."""

LISTED = 10
BATCH = 64


@dataclass(frozen=True)
class Disagreement:
    """A picture on which a file and the network differ; the margin is between the network's two best logits."""

    picture: str
    before: str
    after: str
    margin: float
    near_tie: bool


@dataclass(frozen=True)
class Parity:
    """What a file says of pictures, against the network.

    `largest` is the largest difference of a logit, `relative` the same as a share of the network's largest logit;
    `finite` says that all logits are numbers. The numbers of wrong predictions are None where nobody knows the truth.
    """

    count: int
    disagreements: tuple[Disagreement, ...]
    largest: float
    relative: float
    finite: bool
    wrong_before: int | None
    wrong_after: int | None

    @property
    def differing(self) -> int:
        return len(self.disagreements)

    @property
    def agreement(self) -> float:
        """The share of pictures with the same best class."""
        return 1 - self.differing / self.count

    @property
    def growth(self) -> float | None:
        """By how much the error grows, as a share."""
        if self.wrong_before is None or self.wrong_after is None:
            return None
        return (self.wrong_after - self.wrong_before) / self.count

    def float_problems(self) -> tuple[str, ...]:
        """Why a float file is not the network, in sentences; none if it is."""
        allowed = max(1, int(SHARE * self.count))
        found = []
        if not self.finite:
            found.append("Some of its logits are not numbers.")
        if self.differing > allowed:
            ties = sum(d.near_tie for d in self.disagreements)
            found.append(
                f"{self.differing:,} of {self.count:,} predictions differ from the network's, and at most {allowed:,} "
                f"may; {ties:,} of them are near-ties. {self.listed()}"
            )
        if self.finite and not self.relative <= TOLERANCE:
            found.append(
                f"Its logits differ by up to {self.relative:.1e} of the largest one, and at most {TOLERANCE:.0e} is "
                "rounding."
            )
        return tuple(found)

    def int8_problems(self) -> tuple[str, ...]:
        """Why an int8 file is too far from the network, in sentences; none if it is not."""
        if not self.finite:
            return ("Some of its logits are not numbers.",)
        if self.growth is None or self.growth <= POINTS:
            return ()
        before, after = (100 * (wrong or 0) / self.count for wrong in (self.wrong_before, self.wrong_after))
        return (
            f"The error grows from {before:.2f} % to {after:.2f} % on {self.count:,} pictures, and at most "
            f"{100 * POINTS:g} points are allowed.",
        )

    def listed(self) -> str:
        """The first disagreements in words."""
        lines = [
            f"{d.picture}: {d.before} -> {d.after}, margin {d.margin:.1e}{' (near-tie)' if d.near_tie else ''}"
            for d in self.disagreements[:LISTED]
        ]
        more = f"; and {self.differing - LISTED:,} more" if self.differing > LISTED else ""
        return "; ".join(lines) + more + "." if lines else ""

    def to_document(self) -> dict[str, Any]:
        """Plain data; all near-ties, and of the other disagreements the first."""
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
            "finite": self.finite,
            "error_before": None if self.wrong_before is None else self.wrong_before / count,
            "error_after": None if self.wrong_after is None else self.wrong_after / count,
        }


class _Tally:
    """What one runner says, picture by picture."""

    def __init__(self, count: int) -> None:
        self.best = np.zeros(count, np.int64)
        self.difference = np.zeros(count)
        self.finite = True

    def add(self, rows: slice, logits: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
        self.finite = self.finite and bool(np.isfinite(logits).all())
        self.best[rows] = logits.argmax(1)
        self.difference[rows] = np.abs(logits.astype(np.float64) - expected).max(1)


def compare(
    network: Runner,
    files: Mapping[str, Runner],
    pictures: Pictures,
    classes: tuple[str, ...],
    dtype: str,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Parity]:
    """The parity of each file with the network, over all pictures, each once; `dtype` is what the files take."""
    tallies = {name: _Tally(pictures.count) for name in files}
    best, margin, scale = np.zeros(pictures.count, np.int64), np.zeros(pictures.count), np.zeros(pictures.count)
    done = 0
    for pixels in pictures.batches(BATCH):
        given = feed(pixels, pictures.preprocessing, dtype)
        rows = slice(done, done + len(pixels))
        expected = network.logits(given).astype(np.float64)
        top = np.sort(expected, 1)[:, -2:]
        best[rows], margin[rows], scale[rows] = expected.argmax(1), top[:, -1] - top[:, 0], np.abs(expected).max(1)
        for name, runner in files.items():
            tallies[name].add(rows, runner.logits(given), expected)
        done += len(pixels)
        if progress is not None:
            progress(done, pictures.count)
    return {name: _parity(tally, best, margin, scale, pictures, classes) for name, tally in tallies.items()}


def _parity(
    tally: _Tally,
    best: npt.NDArray[np.int64],
    margin: npt.NDArray[np.float64],
    scale: npt.NDArray[np.float64],
    pictures: Pictures,
    classes: tuple[str, ...],
) -> Parity:
    largest, reference = float(tally.difference.max()), float(scale.max())

    def named(index: int) -> str:
        return classes[index] if index < len(classes) else f"output {index}"

    apart = tuple(
        Disagreement(
            pictures.name(i),
            named(int(best[i])),
            named(int(tally.best[i])),
            float(margin[i]),
            bool(margin[i] <= TOLERANCE * reference),
        )
        for i in np.flatnonzero(tally.best != best).tolist()
    )
    truth = pictures.labels
    return Parity(
        count=pictures.count,
        disagreements=apart,
        largest=largest,
        relative=0.0 if largest == 0 else largest / reference if reference > 0 else float("inf"),
        finite=tally.finite and bool(np.isfinite(scale).all()),
        wrong_before=None if truth is None else int((best != truth).sum()),
        wrong_after=None if truth is None else int((tally.best != truth).sum()),
    )
