"""What the question `mistakes` found, in sentences and as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cardinet.data.near_duplicates import Alike
from cardinet.data.source import Split
from cardinet.data.splitting import pictures_of
from cardinet.evaluate.outputs import Outputs
from cardinet.evaluate.scores import pairs, shares
from cardinet.explain.decisions import Decision
from cardinet.explain.label_errors import LabelError

DRAWN = 40
"""A confusion matrix of more classes is not drawn."""


@dataclass(frozen=True, eq=False)
class Twins:
    """The near-duplicates of the measured pictures in another split."""

    split: Split
    pairs: tuple[Alike, ...]


@dataclass(frozen=True, eq=False)
class MistakesFound:
    """What was found; `wrong` are the rows of the mistakes, the most confident first."""

    split: Split
    found: Outputs
    wrong: npt.NDArray[np.int64]
    confusion: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    errors: list[LabelError] | None
    source: str
    twins: Sequence[Twins]
    decisions: Path | None

    @property
    def duplicates(self) -> int:
        return sum(len(twin.pairs) for twin in self.twins)

    def lead(self) -> list[str]:
        n, wrong = len(self.split), len(self.wrong)
        sure = int((np.exp(self.found.logs.max(1)[self.wrong]) > 0.9).sum())
        of, taken = pictures_of(self.split.name, n), "is" if wrong == 1 else "are"
        said = [
            f"{wrong:,} of {of} {taken} taken for a wrong class; for {sure:,} of them the network is over 90 % sure."
        ]
        if worst := pairs(self.confusion, self.classes, 1):
            times = "once" if worst[0].count == 1 else f"{worst[0].count:,} times"
            said[0] += f" Most often it takes {worst[0].truth} for {worst[0].predicted} ({times})."
        if self.errors is not None:
            said.append(f"{counted(len(self.errors), 'label')} probably wrong.")
        said += [
            f"{counted(len(twin.pairs), 'picture')} nearly the same as one of the {twin.split.name} split."
            for twin in self.twins
        ]
        if self.decisions is not None:
            said.append(f"{self.decisions} has a row for each of them, to decide about. The pictures stay as they are.")
        return said

    def strip(self) -> Mapping[str, str]:
        found = {"mistakes": f"{len(self.wrong):,}", "error": f"{100 * len(self.wrong) / len(self.split):.2f} %"}
        if self.errors is not None:
            found["probable label errors"] = f"{len(self.errors):,}"
        return found | ({"near-duplicates": f"{self.duplicates:,}"} if self.twins else {})

    def to_document(self) -> dict[str, Any]:
        """Plain data, with every mistake, label error and near-duplicate."""
        names, classes, found = self.split.names, self.classes, self.found
        chances = np.exp(found.logs)
        mistakes = [
            {
                "path": names.key(i),
                "truth": classes[found.truth[i]],
                "predicted": classes[found.predicted[i]],
                "probability": float(chances[i].max()),
                "probability_of_truth": float(chances[i, found.truth[i]]),
            }
            for i in self.wrong.tolist()
        ]
        errors = None
        if self.errors is not None:
            errors = [asdict(row) for row in decisions(self.split, self.errors, [], classes)]
        return {
            "pictures": len(self.split),
            "wrong": len(self.wrong),
            "mistakes": mistakes,
            "confusion": self._matrix(),
            "confused": [asdict(pair) for pair in pairs(self.confusion, classes)],
            "label_errors": errors,
            "label_errors_from": self.source or None,
            "duplicates": [asdict(row) for row in decisions(self.split, [], self.twins, classes)],
            "decisions": None if self.decisions is None else str(self.decisions),
        }

    def _matrix(self) -> dict[str, Any] | None:
        """How many pictures of each class (rows) were taken for each (columns), and which shares; None if not drawn."""
        if len(self.classes) > DRAWN:
            return None
        counts, of_class = self.confusion.tolist(), shares(self.confusion).tolist()
        return {"classes": list(self.classes), "pictures": counts, "shares": of_class}

    def limits(self) -> list[str]:
        """What the answer does not say."""
        said = []
        if self.source == "model":
            said.append(
                "Label errors are looked for with the model's own answers. That is fair only for pictures that it was "
                "not trained on; for others use --set probabilities=folds."
            )
        if self.source == "folds":
            said.append(
                "Label errors are looked for with classifiers that have not seen the label of the picture. The "
                "features are those of the network: if it was trained on these pictures, it has learned some wrong "
                "labels, and these stay hidden."
            )
        if self.errors is not None:
            said.append("A probable label error is a picture to look at. Not every one is an error.")
        if self.twins:
            said.append(
                "Mirrored, turned and cropped copies are not found, and pictures without a pattern are not compared."
            )
        return said


def counted(count: int, noun: str) -> str:
    """ "No label is", "1 label is", "2 labels are"."""
    return f"No {noun} is" if not count else f"1 {noun} is" if count == 1 else f"{count:,} {noun}s are"


def decisions(
    split: Split, errors: Sequence[LabelError], twins: Sequence[Twins], classes: tuple[str, ...]
) -> list[Decision]:
    """A row for each probable label error, then for each near-duplicate."""
    names = split.names
    rows = [
        Decision(names.key(one.row), split.name, "label", classes[one.given], classes[one.suggested], one.score)
        for one in errors
    ]
    for twin in twins:
        for pair in twin.pairs:
            given, theirs = split.labels[pair.first], twin.split.labels[pair.second]
            other = f"{twin.split.name}: {twin.split.names.key(pair.second)}"
            rows.append(
                Decision(
                    names.key(pair.first),
                    split.name,
                    "duplicate",
                    classes[given],
                    classes[theirs],
                    pair.correlation,
                    other,
                )
            )
    return rows
