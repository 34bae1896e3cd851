"""Evaluate a model: check the request, then count every picture of a split once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardinet.data.kinds.datasets import source_text
from cardinet.data.source import Source
from cardinet.evaluate.answers import answer_table
from cardinet.evaluate.classification import Result, evaluate
from cardinet.evaluate.evaluation_settings import Crops, EvaluationSettings
from cardinet.evaluate.opening import Opened, as_words
from cardinet.evaluate.request import Request, resolve
from cardinet.fast.use import Wanted
from cardinet.measure.available_memory import require_confusion
from cardinet.runs.computed_by import computed_by
from cardinet.runs.memory_checks import require_batch
from cardinet.runs.model_file import Model
from cardinet.runs.prediction import BATCH_SIZE

if TYPE_CHECKING:
    from cardinet.data.kinds.datasets import Given


def measure(request: Request, opened: Opened, progress: Callable[[int, int], None] | None = None) -> Any:
    """Evaluate the opened model on the opened pictures, on the model's device, and write the table of answers.

    Raises RequestError if the memory does not suffice, and WorkError for a damaged picture.
    """
    model, split, classes = opened.model, opened.measured.pictures, len(opened.model.classes)
    require_confusion(classes)
    require_batch(model.network, model.preprocessing, min(request.how.batch_size, len(split)), "An evaluation")
    result: Result = evaluate(
        model.network,
        split,
        model.preprocessing,
        classes,
        request.how,
        device=str(next(model.network.parameters()).device),
        progress=progress,
    ).at(model.thresholds)
    if request.out is not None:
        answer_table(result, split, model.classes).write(request.out)
    return result


def document(request: Request, opened: Opened, result: Result) -> dict[str, Any]:
    """The result, the data and the settings of an evaluation, as plain data."""
    pictures, model = opened.measured, opened.model
    averaged = {"crops": request.how.crops, "passes": request.how.passes}
    figures = result.to_document(model.classes)
    return {
        "data": pictures.source.text,
        **figures,
        **averaged,
        "computed_by": computed_by(model.network).model_dump(),
        "temperature": model.temperature,
        "preprocessing": model.preprocessing.as_settings(),
        "notes": list(pictures.notes),
    }


def evaluate_model(
    model: Model | str | Path,
    data: Source | Given,
    *,
    split: str | None = None,
    size: int | None = None,
    threshold: float | None = None,
    crops: Crops = 1,
    passes: int = 1,
    batch_size: int = BATCH_SIZE,
    workers: int = 0,
    fast: bool = False,
    precisions: Sequence[str] = ("float32",),
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Any:
    """Evaluate a model, or the model in a run folder or model file, on `data`: an `Evaluation`, or a `LabelEvaluation`
    if a picture may have several labels.

    `data` is an opened source, its text ("flowers/", "parquet:PATH", "digits") or a data set of (picture, label)
    (`data.kinds.datasets.source_text`). `pictures.open_pictures` chooses the pictures of a text, and `settings` say how
    they are read (limit=30, on_bad_image="skip"). The default `split` is the test split, else the nearest one. `size`
    is another side of the input, `threshold` replaces the thresholds of several labels. With `fast` the network is run
    by the fastest runtime of this machine that gives its answers in one of the `precisions`; it is chosen on the first
    pictures, and kept (`cardinet.compile` gives such a model, for several evaluations). `EvaluationSettings` explains
    the rest. It runs on the model's device. Raises RequestError or WorkError with all faults.
    """
    request = Request(
        model=model,
        data=data if isinstance(data, Source) else source_text(data),
        words=as_words(settings),
        split=split,
        size=size,
        threshold=threshold,
        how=EvaluationSettings(crops=crops, passes=passes, batch_size=batch_size, workers=workers),
        wanted=Wanted(fast=fast, precisions=tuple(precisions)),
    )
    return measure(request, resolve(request), progress)
