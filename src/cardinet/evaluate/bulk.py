"""Predictions for any number of pictures, as a folder of shards: what is there is kept, what is missing is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from cardinet.base.errors import Findings, WorkError
from cardinet.data.ordered_pictures import Span
from cardinet.engines.engine import Engine, OneProcess, Tell, Work
from cardinet.evaluate.prediction_request import Prepared, Request, resolve
from cardinet.runs.answer_table import AnswerTable
from cardinet.runs.computed_by import computed_by
from cardinet.runs.prediction import Unusable, predictions

HERE = OneProcess()
TOLD = 64
"""The pictures after which a shard says how far it is."""


@dataclass(frozen=True)
class Shard:
    """A finished shard: its number of rows, and the reasons why some pictures could not be used."""

    rows: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class BulkResult:
    """A finished folder: the number of its pictures, of the unusable ones, and of those that were there already."""

    pictures: int
    unusable: int
    kept: int


class Watcher:
    """Ignores what a bulk prediction says. A subclass shows it."""

    def progress(self, done: int, total: int) -> None:
        """So many pictures are done."""

    def refused(self, reason: str) -> None:
        """A picture cannot be used."""


def predict_in_shards(prepared: Prepared, watcher: Watcher, engine: Engine = HERE) -> BulkResult:
    """Make the missing shards of a folder. Raises WorkError if a file is damaged or cannot be written."""
    folder = prepared.folder
    assert folder is not None
    total = folder.manifest.count
    with folder.locked():
        missing, done, unusable = list[int](), 0, 0
        findings = Findings()
        for shard in range(folder.shards):
            with findings:
                if (there := folder.finished(shard)) is None:
                    missing.append(shard)
                else:
                    done, unusable = done + there.rows, unusable + there.unusable
        findings.raise_if_any()
        kept, parts = done, dict[int, int]()

        def heard(shard: int, pictures: int) -> None:
            parts[shard] = pictures
            watcher.progress(done + sum(parts.values()), total)

        begin = partial(_work, prepared) if engine.here else partial(open_worker, prepared.request)
        for shard, made in engine.each(begin, missing, heard):
            parts.pop(shard, None)
            done, unusable = done + made.rows, unusable + len(made.reasons)
            for reason in made.reasons:
                watcher.refused(reason)
            watcher.progress(done + sum(parts.values()), total)
    return BulkResult(total, unusable, kept)


def open_worker(request: Request) -> Work[int, Shard]:
    """Open the model and the pictures of a request in another process. Raises as `resolve`.

    Raises WorkError if the runtime that computes the rows cannot be used in that process.
    """
    prepared = resolve(request)
    by = computed_by(prepared.model.network)
    if prepared.folder is not None and prepared.folder.begun_by not in (None, by):
        raise WorkError(*prepared.opened.of_model, "Give --no-fast, and all processes run the network in eager mode.")
    return _work(prepared)


def _work(prepared: Prepared) -> Work[int, Shard]:
    return partial(_make, prepared)


def _make(prepared: Prepared, shard: int, tell: Tell) -> Shard:
    """Predict the pictures of one shard and write its file."""
    folder, request = prepared.folder, prepared.request
    assert folder is not None
    table = AnswerTable(
        folder.manifest.top,
        truth=False,
        form=folder.form,
        labelling=prepared.model.labelling,
        by=computed_by(prepared.model.network),
    )
    span = Span(prepared.pictures, *folder.span(shard))
    reasons = []
    answers = predictions(
        prepared.model,
        span,
        request.top,
        batch_size=request.batch_size,
        workers=request.workers,
        pixel_limit=prepared.pixel_limit,
    )
    for place, answer in enumerate(answers, 1):
        if isinstance(answer, Unusable):
            reasons.append(answer.reason)
            table.refuse(prepared.shown(answer.path), answer.reason)
        else:
            table.add(prepared.shown(answer.path), answer.classes, answer.probabilities, answer.labels)
        if place % TOLD == 0:
            tell(place)
    table.write(folder.file(shard))
    return Shard(len(span), tuple(reasons))
