"""What the base networks of a deeply-fused network are worth: alone, together, and without the deepest of them.

Zhao et al. 2016 (arXiv 1611.07718, version 1). The fused network is the coupled ensemble: its columns exchange their
sums after every block. The uncoupled ensemble is the mean answer of the base networks, which only share parameters.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from cardinet.base.errors import Findings, RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.deeply_fused import DeeplyFusedNet
from cardinet.evaluate.opening import read_model
from cardinet.explain.answer import Answer, Section
from cardinet.explain.batches import KeptBatches, drawn
from cardinet.explain.figures import Bar, Bars, Format, Table
from cardinet.explain.members import Members, Path, members
from cardinet.explain.question import Question, Subject
from cardinet.networks.families.deeply_fused import DeeplyFused

MOST = 256
"""The largest number of base networks that are tried."""


class Fusion(Question):
    """What are the base networks of a fused network worth?"""

    ALSO: ClassVar[tuple[str, ...]] = ("train",)

    estimate: Annotated[int, Field(ge=2)] = 2000
    """The training pictures from which the BN statistics of each base network are estimated."""

    alone: str | None = None
    """Models of base networks that were trained alone, with commas (network.path names their lines)."""

    seven: str | None = None
    """A model of the same network whose base networks were trained without the deepest one
    (methods=SharedEnsemble(without_deepest=true)).
    """

    def problems(self, network: Classifier) -> list[str]:
        spec = network.spec
        count = math.prod(map(len, spec.choices)) if isinstance(spec, DeeplyFused) and not spec.path else 1
        if count < 2:
            return ["only a deeply-fused network has base networks (fuse3, fuse6)."]
        if count > MOST:
            return [f"the network has {count:,} base networks; at most {MOST} are tried."]
        return []

    def answer(self, subject: Subject) -> Answer:
        network = subject.network
        assert isinstance(network, DeeplyFusedNet)
        source = subject.opened.source
        if source is None or "train" not in source.splits:
            raise RequestError(
                "The base networks need training pictures for their BN statistics; name a source with them."
            )
        test = KeptBatches(subject, subject.opened.measured.pictures)
        train = KeptBatches(subject, drawn(source.splits["train"], self.estimate, subject.seed))
        given = self._given(subject)
        paths = paths_of(network)
        as_is, own = (self._members(subject, network, paths, test, stats) for stats in (None, train))
        result = Result(
            paths=paths,
            lengths={path: length(network, path) for path in paths},
            fused=_error(network, test),
            as_is=as_is,
            own=own,
            alone={path: _error(model, test) for path, model in given.items()},
            retrained=self._retrained(subject, test, train),
            count=test.count,
        )
        sections = [_members_section(result), _ensembles_section(result)]
        limits = [
            "The statistics of the fused network were collected on sums of lines; those of each member are estimated "
            f"on {train.count:,} training pictures.",
            "A fused network is not linear, so it is not the sum of its base networks.",
        ]
        return Answer("Fusion", _lead(result), sections, result.document(), _strip(result), limits)

    def _members(
        self,
        subject: Subject,
        network: DeeplyFusedNet,
        paths: Sequence[Path],
        test: KeptBatches,
        train: KeptBatches | None,
    ) -> Members:
        done = 0

        def progress() -> None:
            nonlocal done
            done += 1
            subject.progress("base networks", done, len(paths))

        return members(network, paths, test, train, progress)

    def _given(self, subject: Subject) -> dict[Path, Classifier]:
        """The base networks that were trained alone, by path. Raises RequestError with all that do not fit."""
        findings, found = Findings(), dict[Path, Classifier]()
        for word in (self.alone or "").split(",") if self.alone else ():
            with findings:
                model = read_model(word.strip(), str(subject.device))
                path = tuple(getattr(model.spec, "path", ()))
                if path not in paths_of(subject.network) or model.classes != subject.model.classes:
                    raise RequestError(f"alone: {word.strip()} is no base network of this network, with its classes.")
                assert isinstance(model.network, Classifier)
                found[path] = model.network
        findings.raise_if_any()
        return found

    def _retrained(self, subject: Subject, test: KeptBatches, train: KeptBatches) -> float | None:
        """The error of the ensemble that was trained without the deepest member."""
        if self.seven is None:
            return None
        model = read_model(self.seven, str(subject.device))
        if model.spec != subject.network.spec or not isinstance(model.network, DeeplyFusedNet):
            raise RequestError(f"seven: {self.seven} is another network than the one that is asked about.")
        paths = paths_of(model.network)[:-1]
        return self._members(subject, model.network, paths, test, train).ensemble_error()


@dataclass(frozen=True, eq=False)
class Result:
    """All that was measured. Errors are shares of `count` pictures."""

    paths: Sequence[Path]
    lengths: Mapping[Path, int]
    fused: float
    as_is: Members
    own: Members
    alone: Mapping[Path, float]
    retrained: float | None
    count: int

    @property
    def deepest(self) -> Path:
        return max(self.paths, key=lambda path: self.lengths[path])

    def spread(self, error: float) -> float:
        """The standard error of an error."""
        return math.sqrt(error * (1 - error) / self.count)

    def document(self) -> dict[str, object]:
        """Plain data."""
        rows = [
            {
                "path": list(path),
                "layers": self.lengths[path],
                "error": self.as_is.error(path),
                "estimated_error": self.own.error(path),
                "alone_error": self.alone.get(path),
                "contribution": self.own.contribution(path),
            }
            for path in self.paths
        ]
        ensembles = {name: error for name, error, _ in self.ensembles()}
        return {"pictures": self.count, "members": rows, "ensembles": ensembles}

    def ensembles(self) -> list[tuple[str, float, float]]:
        """The ensembles by name, with error and standard error."""
        found = {
            "coupled: the fused network": self.fused,
            "uncoupled: the mean of all base networks": self.own.ensemble_error(),
            "uncoupled, without the deepest in the test": self.own.ensemble_error(self.deepest),
        }
        if self.retrained is not None:
            found["uncoupled, trained without the deepest"] = self.retrained
        return [(name, error, self.spread(error)) for name, error in found.items()]


def paths_of(network: Classifier) -> list[Path]:
    """The paths of all base networks; that of all deep lines is the last one."""
    return list(itertools.product(*network.spec.choices))


def length(network: Classifier, path: Path) -> int:
    """The layers of a base network: stem, convolutions and classifier."""
    graph = network.spec.but(path=path, merge="Add()").path_graph()
    return sum(ways[0].layers for ways in graph.maps)


@torch.inference_mode()
def _error(network: Classifier, test: KeptBatches) -> float:
    wrong = sum(int((network.eval()(pixels).argmax(1) != labels).sum()) for pixels, labels in test())
    return wrong / test.count


def _name(path: Path) -> str:
    return "".join("L" if line == "shallow" else "R" for line in path)


def _lead(result: Result) -> list[str]:
    errors = {path: result.own.error(path) for path in result.paths}
    best = min(errors, key=lambda path: errors[path])
    without = result.own.ensemble_error(result.deepest)
    return [
        f"The fused network errs on {_percent(result.fused)}, the mean answer of its {len(result.paths)} base networks "
        f"on {_percent(result.own.ensemble_error())}. The best base network, {_name(best)}, errs on "
        f"{_percent(errors[best])}.",
        f"Without the deepest base network ({result.lengths[result.deepest]} layers) the mean answer errs on "
        f"{_percent(without)}.",
    ]


def _strip(result: Result) -> dict[str, str]:
    return {
        "fused network": _percent(result.fused),
        "mean of base networks": _percent(result.own.ensemble_error()),
        "base networks": str(len(result.paths)),
        "pictures": f"{result.count:,}",
    }


def _percent(error: float) -> str:
    return f"{100 * error:.2f} %"


def _members_section(result: Result) -> Section:
    order = sorted(result.paths, key=lambda path: (result.lengths[path], path))
    series = ["file's statistics", "estimated again", *(["trained alone"] if result.alone else [])]
    bars = []
    for path in order:
        label = f"{_name(path)}, {result.lengths[path]}"
        bars += [Bar(label, result.as_is.error(path)), Bar(label, result.own.error(path), series=1)]
        if path in result.alone:
            bars.append(Bar(label, result.alone[path], series=2))
    drawn_bars = Bars("Error of each base network", "lines, layers", "error", bars, series, format="percent")
    contributions = [Bar(f"{_name(path)}, {result.lengths[path]}", result.own.contribution(path)) for path in order]
    about = "error without it, less error with it"
    formats: tuple[Format | None, ...] = (None, "integer", "percent", "percent", "percent", "percent")
    rows = [
        (
            _name(path),
            result.lengths[path],
            result.as_is.error(path),
            result.own.error(path),
            result.alone.get(path),
            result.own.contribution(path),
        )
        for path in order
    ]
    columns = ("lines", "layers", "file's statistics", "estimated again", "trained alone", "contribution")
    return Section(
        "The base networks",
        [f"L is the shallow line of a block, R the deep one. {result.count:,} pictures, each counted once."],
        [
            drawn_bars,
            Bars(
                "Contribution to the mean answer",
                "lines, layers",
                "change of error",
                contributions,
                note=about,
                format="percent",
            ),
            Table("Every base network", columns, rows, formats, folded=len(rows) > 16),
        ],
    )


def _ensembles_section(result: Result) -> Section:
    formats: tuple[Format | None, ...] = (None, "percent", "percent")
    table = Table("Ensembles", ("ensemble", "error", "standard error"), result.ensembles(), formats)
    text = ["The mean answer averages the probabilities. Its members have BN statistics of their own."]
    return Section("Together", text, [table])
