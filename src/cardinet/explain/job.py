"""Answer a question about a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardinet.data.kinds.datasets import source_text
from cardinet.data.source import Source
from cardinet.evaluate.opening import as_words
from cardinet.explain.answer import Answer
from cardinet.explain.question import Progress
from cardinet.explain.request import Asked, Request, resolve
from cardinet.runs.model_file import Model
from cardinet.runs.prediction import BATCH_SIZE

if TYPE_CHECKING:
    from cardinet.data.kinds.datasets import Given


def answer(asked: Asked, progress: Progress | None = None) -> Answer:
    """The answer to an opened question. Raises RequestError or WorkError."""
    subject = asked.subject if progress is None else dataclasses.replace(asked.subject, progress=progress)
    return asked.question.answer(subject)


def document(asked: Asked, found: Answer) -> dict[str, Any]:
    """The answer, its model, pictures and settings as plain data."""
    subject = asked.subject
    pictures = subject.opened.pictures
    about: dict[str, Any] = {"question": asked.request.question, "model": subject.name, "seed": subject.seed}
    if pictures is not None:
        about |= {"data": pictures.source.text, "split": pictures.split, "count": len(pictures.pictures)}
    settings = asked.question.model_dump(mode="json")
    notes = list(subject.opened.notes)
    return {**about, "settings": settings, **found.document, "limits": list(found.limits), "notes": notes}


def explain_model(
    question: str,
    model: Model | str | Path,
    data: Source | Given | Sequence[str | Path] | None = None,
    *,
    split: str | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    workers: int = 0,
    **settings: Any,
) -> Answer:
    """Ask a question about a model, or the model in a run folder or model file, or a network by its name.

    `data` is a source, also a data set of (picture, label), or several paths of pictures without classes if the
    question takes them (`Question.LOOSE`). `weights` are those of a network that is named. `settings` are those of the
    question (`cardinet explain QUESTION` lists them). Raises RequestError or WorkError with all faults.
    """
    request = Request(
        question=question,
        model=model,
        data=_texts(data),
        words=as_words(settings),
        split=split,
        weights=None if weights is None else str(weights),
        seed=seed,
        batch_size=batch_size,
        workers=workers,
    )
    return answer(resolve(request))


def _texts(data: Source | Given | Sequence[str | Path] | None) -> Source | str | tuple[str, ...] | None:
    if data is None or isinstance(data, Source):
        return data
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return tuple(map(str, data))
    return source_text(data)
