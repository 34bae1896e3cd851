"""The end of a run: evaluate the kept model, and write the files that the report shows."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from PIL import Image

from cardinet.base.bounds import no_bounds
from cardinet.base.documents import to_json
from cardinet.base.files import write_atomic
from cardinet.blocks.classifier import Classifier
from cardinet.data.source import Source
from cardinet.data.thumbnail import thumbnail
from cardinet.evaluate.classification import Evaluation, Result, evaluate
from cardinet.evaluate.evaluation_settings import EvaluationSettings
from cardinet.evaluate.label_sets import LabelEvaluation
from cardinet.runs.computed_by import computed_by
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import load_model, save_model
from cardinet.train.estimate import evaluation_batch
from cardinet.train.listener import Listener
from cardinet.train.task import Task

MISTAKES = 32
PAIRS, OF_A_PAIR = 8, 3


def finish(task: Task, folder: RunFolder, listener: Listener) -> None:
    """Evaluate the kept model on validation and test, and write the model file and evaluation.json.

    Methods finish the network first. Raises WorkError if a method has missed its target.
    """
    with no_bounds():  # a trained run is finished, however little memory is left
        model = load_model(folder.model, task.device)
    about: dict[str, Any] = {}
    if model.rewrites == task.rewrites:  # a resumed end may have finished it already
        for method in task.recipe.methods.values():
            made = method.finish(cast(Classifier, model.network), task.recipe.network.steps(), task.conditions)
            if made is not None:
                about |= made.figures
                model = replace(model, network=made.network, rewrites=made.rewrites)
    results: dict[str, Result] = {}
    for name in ("validation", "test"):
        if name in task.source.splits:
            results[name] = evaluate(
                model.network,
                task.source.splits[name],
                task.preprocessing,
                len(task.source.classes),
                EvaluationSettings(
                    batch_size=evaluation_batch(task, model.network), workers=task.recipe.machine.workers
                ),
                device=task.device,
                progress=functools.partial(listener.progress, f"evaluating {name}"),
            )
    if "validation" in results:
        model = replace(model, thresholds=results["validation"].fitted_thresholds())
    results = {name: result.at(model.thresholds) for name, result in results.items()}
    figures = {name: result.summary() for name, result in results.items()}
    save_model(folder.model, replace(model, training={**model.training, **about, **figures}))
    document: dict[str, Any] = {"results": figures, "step": model.training["step"]}
    document["computed_by"] = computed_by(model.network).model_dump()
    write_atomic(folder.evaluation, to_json(document | _details(task.source, results)))


def _details(source: Source, results: Mapping[str, Result]) -> dict[str, Any]:
    """What the report shows beside the figures: confusions and mistakes, or the scores and curves of the labels."""
    single = {name: result for name, result in results.items() if isinstance(result, Evaluation)}
    several = {name: result for name, result in results.items() if isinstance(result, LabelEvaluation)}
    found: dict[str, Any] = {}
    if single:
        found["confusion"] = {name: result.confusion.tolist() for name, result in single.items()}
        found["mistakes"] = shown_mistakes(source, single["test" if "test" in single else "validation"])
    if several:
        found["label_scores"] = {
            name: [row.to_document() for row in result.scores(source.classes)] for name, result in several.items()
        }
        found["curves"] = {name: result.curves() for name, result in several.items()}
        found["intervals"] = {name: result.interval for name, result in several.items()}
    return found


def shown_mistakes(source: Source, result: Evaluation) -> list[dict[str, Any]]:
    """The mistakes for the report as small pictures, with the network's most confident ones first.

    They are some of each of the most frequent confusions, then the most confident mistakes.
    """
    split = source.splits[result.split]
    wrong = [i for i in range(len(split)) if result.predicted[i] != result.truth[i]]
    wrong.sort(key=lambda i: -result.confidence[i])
    pairs: dict[tuple[int, int], list[int]] = {}
    for i in wrong:
        pairs.setdefault((int(result.truth[i]), int(result.predicted[i])), []).append(i)
    frequent = sorted(pairs.values(), key=lambda rows: -len(rows))[:PAIRS]  # stable: of equal ones the surer first
    chosen = {i for rows in frequent for i in rows[:OF_A_PAIR]}
    chosen |= set([i for i in wrong if i not in chosen][: MISTAKES - len(chosen)])
    return [
        {
            "name": split.names.key(i),
            "truth": source.classes[result.truth[i]],
            "predicted": source.classes[result.predicted[i]],
            "confidence": float(result.confidence[i]),
            "confidence_of_truth": float(result.confidence_of_truth[i]),
            **_picture(split.picture(i)),
        }
        for i in wrong
        if i in chosen
    ]


def _picture(image: Image.Image) -> dict[str, Any]:
    small = thumbnail(image)
    return {"png": base64.b64encode(small.png).decode(), "width": small.width, "height": small.height}
