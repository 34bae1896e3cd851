"""An evaluation from a model and a source: everything is checked, then every picture of a split is counted once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cardinet.base.errors import Findings, RequestError
from cardinet.base.numbers import PASSES, WORKERS, require_whole
from cardinet.data.source import Source
from cardinet.evaluate.classification import Evaluation, evaluate
from cardinet.evaluate.matching import check_classes, check_passes, choose_split
from cardinet.evaluate.opening import model_of, open_pictures
from cardinet.evaluate.ten_crop import CROPS
from cardinet.measure.available import require_confusion
from cardinet.runs.model_file import Model
from cardinet.runs.prediction import BATCH_SIZE
from cardinet.runs.room import require_batch


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
    measured, `opening.open_pictures` says; `split` is the test split, or what is nearest to it; `crops`, `passes`: see
    `classification.evaluate`. It runs on the device that the model is on. Raises RequestError or WorkError with
    everything that does not fit.
    """
    findings, source, chosen = Findings(), None, ""
    with findings:
        require_whole(1, batch_size=batch_size)
    with findings:
        require_whole(1, PASSES, passes=passes)
    with findings:
        require_whole(0, WORKERS, workers=workers)
    with findings:
        if type(crops) is not int or crops not in (1, CROPS):
            raise RequestError(f"crops = {crops!r}: give 1 or {CROPS}.")
    with findings:
        model = model_of(model)
    findings.raise_if_any()
    assert isinstance(model, Model)
    with findings:
        check_passes(model, passes)
    with findings:
        if isinstance(data, Source):
            check_classes(model, data)
            source, chosen = data, choose_split(data, split)
        else:
            opened = open_pictures(str(data), {}, model=model, split=split)
            assert opened is not None
            source, chosen = opened.source, opened.split
    findings.raise_if_any()
    assert source is not None
    require_confusion(len(source.classes))
    require_batch(model.network, model.preprocessing, min(batch_size, len(source.splits[chosen])), "An evaluation")
    device = next(model.network.parameters()).device
    return evaluate(
        model.network,
        source.splits[chosen],
        model.preprocessing,
        len(source.classes),
        crops=crops,
        passes=passes,
        batch_size=batch_size,
        workers=workers,
        device=str(device),
        progress=progress,
    )
