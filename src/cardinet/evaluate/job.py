"""An evaluation as a job: everything is checked, then every picture of a split is counted once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cardinet.data.source import Source
from cardinet.evaluate.answers import answer_table
from cardinet.evaluate.classification import Evaluation, evaluate
from cardinet.evaluate.opening import Opened
from cardinet.evaluate.request import Request, resolve
from cardinet.measure.available_memory import require_confusion
from cardinet.runs.memory_checks import require_batch
from cardinet.runs.model_file import Model
from cardinet.runs.prediction import BATCH_SIZE


def measure(request: Request, opened: Opened, progress: Callable[[int, int], None] | None = None) -> Evaluation:
    """The exact figures of what was opened, on the device that the model is on; the table of answers is written.

    Raises RequestError where there is no memory for it, WorkError for a picture that is damaged.
    """
    model, split, classes = opened.model, opened.measured.pictures, len(opened.model.classes)
    require_confusion(classes)
    require_batch(model.network, model.preprocessing, min(request.batch_size, len(split)), "An evaluation")
    result = evaluate(
        model.network,
        split,
        model.preprocessing,
        classes,
        crops=request.crops,
        passes=request.passes,
        top=request.top,
        batch_size=request.batch_size,
        workers=request.workers,
        device=str(next(model.network.parameters()).device),
        progress=progress,
    )
    if request.out is not None:
        answer_table(result, split, model.classes).write(request.out)
    return result


def document(request: Request, opened: Opened, result: Evaluation) -> dict[str, Any]:
    """What was found, on what and how, as plain data."""
    pictures, model = opened.measured, opened.model
    how = {"crops": request.crops, "passes": request.passes, "preprocessing": model.preprocessing.as_settings()}
    figures = result.to_document(model.classes)
    return {"data": pictures.source.text, **figures, **how, "notes": list(pictures.notes)}


def evaluate_model(
    model: Model | str | Path,
    data: Source | str | Path,
    *,
    split: str | None = None,
    crops: int = 1,
    passes: int = 1,
    batch_size: int = BATCH_SIZE,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """The exact figures of a model, or of the one in a run folder or model file, on `data`.

    `data` is an opened source, or its text ("flowers/", "parquet:PATH", "digits"). Which pictures of a text are
    measured, `pictures.open_pictures` says; `split` is the test split, or what is nearest to it; `crops`, `passes`: see
    `classification.evaluate`. It runs on the device that the model is on. Raises RequestError or WorkError with
    everything that does not fit.
    """
    request = Request(
        model=model,
        data=data if isinstance(data, Source) else str(data),
        split=split,
        crops=crops,
        passes=passes,
        batch_size=batch_size,
        workers=workers,
    )
    return measure(request, resolve(request), progress)
