"""What the base networks of a deeply-fused network are worth: alone, together, and without the deepest of them.

Zhao et al. 2016 (arXiv 1611.07718, version 1). The fused network is the coupled ensemble: its columns exchange their
sums after every block. The uncoupled ensemble is the mean answer of the base networks, which only share parameters.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from cardinet.base.errors import Findings, RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.deeply_fused import DeeplyFusedNet
from cardinet.evaluate.opening import read_model
from cardinet.explain.answer import Answer
from cardinet.explain.batches import KeptBatches, drawn_pictures
from cardinet.explain.fusion_page import Result, lead, sections, strip
from cardinet.explain.members import Members, Path, members
from cardinet.explain.question import Question, Subject
from cardinet.measure.paths import depth_of
from cardinet.networks.families.deeply_fused import DeeplyFused
from cardinet.runs.model_file import Model

MOST = 256
"""The largest number of base networks that are tried."""


class Fusion(Question):
    """What are the base networks of a fused network worth?"""

    ALSO: ClassVar[tuple[str, ...]] = ("train",)

    estimate: Annotated[int, Field(ge=2)] = 2000
    """The training pictures from which the BN statistics of each base network are estimated."""

    alone: str | None = None
    """Models of base networks that were trained alone, separated by commas (network.path names their lines)."""

    without_deepest: str | None = None
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

    @property
    def others(self) -> list[tuple[str, str]]:
        """The names of the other models, each with its setting."""
        alone = [("alone", word.strip()) for word in self.alone.split(",")] if self.alone else []
        return [*alone, *([("without_deepest", self.without_deepest)] if self.without_deepest else [])]

    def check(self) -> None:
        findings = Findings()
        for _, name in self.others:
            with findings:
                read_model(name)
        findings.raise_if_any()

    def answer(self, subject: Subject) -> Answer:
        network = subject.network
        assert isinstance(network, DeeplyFusedNet)
        source = subject.opened.source
        if source is None or "train" not in source.splits:
            raise RequestError(
                "The base networks need training pictures for their BN statistics; name a source with them."
            )
        alone, retrained = self._given(subject)
        test = KeptBatches(subject, subject.opened.measured.pictures)
        train = KeptBatches(subject, drawn_pictures(source.splits["train"], self.estimate, subject.seed))
        paths = paths_of(network)
        as_is, own = (self._members(subject, network, paths, test, stats) for stats in (None, train))
        result = Result(
            paths=paths,
            lengths={path: length(network, path) for path in paths},
            fused=_error(network, test),
            as_is=as_is,
            own=own,
            alone={path: _error(_network(model), _for_model(model, test)) for path, model in alone.items()},
            retrained=self._retrained(subject, retrained, test, train),
            count=test.count,
        )
        limits = [
            "The statistics of the fused network were collected on sums of lines; those of each member are estimated "
            f"on {train.count:,} training pictures.",
            "A fused network is not linear, so it is not the sum of its base networks.",
        ]
        return Answer("Fusion", lead(result), sections(result), result.document(), strip(result), limits)

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

    def _given(self, subject: Subject) -> tuple[dict[Path, Model], Model | None]:
        """The base networks that were trained alone, by path, and the model without the deepest one.

        Raises RequestError with all that do not fit.
        """
        findings, alone, retrained = Findings(), dict[Path, Model](), None
        for setting, name in self.others:
            with findings:
                model = read_model(name, str(subject.device))
                if model.classes != subject.model.classes:
                    raise RequestError(f"{setting}: {name} has other classes than the network that is asked about.")
                path = tuple(getattr(model.spec, "path", ()))
                if setting == "without_deepest":
                    if model.spec != subject.network.spec or not isinstance(model.network, DeeplyFusedNet):
                        raise RequestError(f"{setting}: {name} is another network than the one that is asked about.")
                    retrained = model
                elif path not in paths_of(subject.network) or subject.network.spec.but(path=path) != model.spec:
                    raise RequestError(f"alone: {name} is no base network of the network that is asked about.")
                else:
                    alone[path] = model
        findings.raise_if_any()
        return alone, retrained

    def _retrained(self, subject: Subject, model: Model | None, test: KeptBatches, train: KeptBatches) -> float | None:
        """The error of the ensemble that was trained without the deepest member."""
        if model is None:
            return None
        network = _network(model)
        assert isinstance(network, DeeplyFusedNet)
        found = self._members(
            subject, network, paths_of(network)[:-1], _for_model(model, test), _for_model(model, train)
        )
        return found.error()


def _network(model: Model) -> Classifier:
    assert isinstance(model.network, Classifier)
    return model.network


def _for_model(model: Model, batches: KeptBatches) -> KeptBatches:
    """The same pictures with the preprocessing of another model."""
    subject = batches.subject
    if model.preprocessing == subject.model.preprocessing:
        return batches
    return KeptBatches(replace(subject, opened=replace(subject.opened, model=model)), batches.split)


def paths_of(network: Classifier) -> list[Path]:
    """The paths of all base networks; that of all deep lines is the last one."""
    return list(itertools.product(*network.spec.choices))


def length(network: Classifier, path: Path) -> int:
    """The layers of a base network: stem, convolutions and classifier."""
    return depth_of(network.spec.but(path=path, merge="Add()").path_graph())


@torch.inference_mode()
def _error(network: Classifier, test: KeptBatches) -> float:
    wrong = sum(int((network.eval()(pixels).argmax(1) != labels).sum()) for pixels, labels in test())
    return wrong / test.count
