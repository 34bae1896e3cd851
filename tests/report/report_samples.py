"""Contents for the tests: true predictions of a small classifier on the embedded digits, and made-up ones."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cardinet.report import Counts, DataFinding, Mistake, Outcome, ReportContent, Sample, Speed, Stage

RECIPE = """# the complete resolved recipe
[network]
id = "resnext29_8x64d"
cardinality = 8

[train]
epochs = "40 epochs"
lr = 0.1
batch_size = 64
"""


def outcome(truth: npt.NDArray[Any], predicted: npt.NDArray[Any], size: int, **more: Any) -> Outcome:
    """The outcome of predictions."""
    confusion = np.bincount(size * truth + predicted, minlength=size * size).reshape(size, size)
    n, wrong = len(truth), int((truth != predicted).sum())
    settings = {"split": "test", "count": n, "total": n, "checkpoint": "best on validation, epoch 31", "loss": 0.0514}
    return Outcome(**{**settings, "wrong": wrong, "confusion": confusion, **more})


def history(
    epochs: int = 40, per_epoch: int = 4, final: float = 0.011, stop: int | None = None
) -> tuple[dict[str, Any], ...]:
    """Plausible metrics.jsonl lines, evaluated once an epoch."""
    draw = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    best = 1.0
    for step in range(1, (stop or epochs * per_epoch) + 1):
        epoch = step / per_epoch
        fall = math.exp(-4.5 * epoch / epochs)
        loss = (2.2 * fall + 0.02) * math.exp(0.12 * draw.standard_normal())
        error = min(0.9, (0.85 * fall**1.6 + final * 0.5) * math.exp(0.2 * draw.standard_normal()))
        lr = 0.05 * (1 + math.cos(math.pi * epoch / epochs)) * min(1.0, epoch / 3)
        speed = 1450 + 60 * draw.standard_normal()
        row = {"step": 50 * step, "epoch": epoch, "loss": loss, "error": error}
        rows.append({"kind": "train", **row, "lr": lr, "images_per_second": speed, "waiting": 0.02})
        if step % per_epoch == 0:
            now = min(0.92, (0.8 * fall**1.4 + final) * math.exp(0.12 * draw.standard_normal()))
            values = {"error": now, "loss": 2.0 * fall + 0.05 + 0.02 * draw.random(), "count": 359}
            chosen = now < best
            best = min(best, now)
            rows.append({"kind": "evaluation", "split": "validation", **row, **values, "best": chosen})
    return tuple(rows)


def counts() -> Counts:
    rows: tuple[tuple[str, str, int], ...] = (
        ("conv1", "64 x 8 x 8", 576),
        ("layer1", "256 x 8 x 8", 218_368),
        ("layer2", "512 x 4 x 4", 1_286_144),
    )
    rows += (("layer3", "1024 x 2 x 2", 5_127_168), ("fc", "10", 10_250))
    stages = [Stage(name=n, output=o, params=p, macs=p * 40, activations=p // 9) for n, o, p in rows]
    totals = {key: sum(getattr(s, key) for s in stages) for key in ("params", "macs", "activations")}
    return Counts(**totals, input_size=(1, 8, 8), stages=tuple(stages))


def picture(pixels: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def content(**more: Any) -> ReportContent:
    """A finished run with everything but a result."""
    settings: dict[str, Any] = {
        "network": "resnext29_8x64d",
        "name": "ResNeXt-29, 8x64d",
        "run": "resnext29_8x64d-digits-1",
        "data": "digits (1,797 scans of 8 x 8 pixels)",
        "classes": tuple("0123456789"),
        "command": "cardinet train resnext29_8x64d --epochs 40 --seed 1 --set cardinality=8",
        "created": "2026-03-02 14:05:11",
        "version": "0.1.0",
        "history": history(),
        "counts": counts(),
        "speed": Speed(training=1453.2, evaluation=5210.9, waiting=0.021, seconds=1034.0),
        "recipe": RECIPE,
        "versions": {"python": "3.11.9", "torch": "2.11.0", "cardinet": "0.1.0"},
        "hardware": {"device": "cpu", "processor": "AMD EPYC 7B13", "threads": "2", "precision": "fp32"},
        "warnings": ("The test data were used once, at the end; nothing was selected on them.",),
    }
    return ReportContent(**{**settings, **more})


@functools.cache
def digits_predictions() -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Pictures (n, 8, 8), truths and probabilities of a logistic regression on 360 held-out digits."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(3).permutation(len(x))
    train, test = order[360:], order[:360]
    model = LogisticRegression(C=0.01, max_iter=200).fit(x[train] / 16, y[train])
    return x[test].reshape(-1, 8, 8), y[test], model.predict_proba(x[test] / 16)


@functools.cache
def digits() -> ReportContent:
    pictures, truth, probabilities = digits_predictions()
    predicted = probabilities.argmax(1)
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-probabilities[wrong, predicted[wrong]])]
    mistakes = [
        Mistake(
            name=f"test {i}",
            truth=int(truth[i]),
            predicted=int(predicted[i]),
            confidence=float(probabilities[i].max()),
            confidence_of_truth=float(probabilities[i, truth[i]]),
            png=picture(pictures[i] / 16 * 255),
            width=8,
            height=8,
        )
        for i in wrong[:24]
    ]
    validation = outcome(truth[:200], truth[:200], 10, split="validation", loss=0.03)
    return content(result=outcome(truth, predicted, 10), validation=validation, mistakes=tuple(mistakes))


def made_up(size: int, count: int, error: float, names: tuple[str, ...] | None = None, seed: int = 0) -> ReportContent:
    """A run over `size` classes with about this error, wrong answers mostly to the neighbouring class."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, size, count)
    slip = draw.random(count) < error * (0.3 + 1.4 * (truth % 7) / 6)
    jump = np.where(draw.random(count) < 0.6, 1, draw.integers(1, max(size, 2), count))
    predicted = np.where(slip, (truth + jump) % size, truth)
    result = outcome(truth, predicted, size, top5_wrong=int(slip.sum()) // 4)
    classes = names or tuple(f"class {k:03d}" for k in range(size))
    amounts = {"train": tuple(40 + 7 * (k % 31) for k in range(size)), "test": tuple(result.confusion.sum(1).tolist())}
    return content(
        classes=classes,
        result=result,
        data=f"{size} classes of colour pictures",
        mistakes=photos(result),
        class_counts=amounts,
        examined=sum(map(sum, amounts.values())) + 2,
        found=FOUND,
        samples=tuple(
            Sample(name=m.name, label=classes[m.truth], png=m.png, width=m.width, height=m.height)
            for m in photos(result)
        ),
        augmentation="mirrored with probability 0.5",
    )


def photos(result: Outcome) -> tuple[Mistake, ...]:
    """Gradients as photographs, of several formats, for the first wrong cells of the matrix."""
    found = []
    wrong = result.confusion - np.diag(np.diag(result.confusion))
    for k, (i, j) in enumerate(np.argwhere(wrong)[:9]):
        height, width = ((180, 240), (240, 160), (32, 32))[k % 3]
        y, x = np.mgrid[0:height, 0:width]
        pixels = np.dstack([255 * x / width, 255 * y / height, np.full_like(x, 40 + 20 * k)])
        values: dict[str, Any] = {"confidence": 0.999 - 0.08 * k, "confidence_of_truth": 0.0002 + 0.03 * k}
        name = f"val/some_long_folder_name/IMG_2019-04-{k + 10}_{k:05d}.jpg"
        values |= {"name": name, "truth": int(i), "predicted": int(j), "width": width, "height": height}
        found.append(Mistake(**values, png=picture(pixels)))
    return tuple(found)


FOUND = (
    DataFinding(
        kind="truncated", bad=True, count=2, examples=("train/a/1.jpg: the file ends early", "b/2.jpg: the same")
    ),
    DataFinding(kind="rotated", bad=False, count=31, examples=("train/a/7.jpg: its EXIF orientation 6 is applied",)),
)
FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
ANIMALS = (
    *("African elephant", "black-footed ferret", "cat", "dog", "Egyptian cat", "fox", "golden retriever", "heron"),
    *("ibex", "jaguar", "koala", "lion", "marmoset", "northern lynx", "otter", "polar bear", "quail", "red panda"),
    *("snow leopard", "tiger", "urial", "vulture", "wolf", "yak", "zebra"),
)
NASTY = ("<script>alert(1)</script>", '"quoted" & <b>bold</b>', "</title></style>", "{{ 7 * 7 }}", "\u0627\u0644\u0639")


def perfect() -> ReportContent:
    truth = np.arange(360) % 10
    return content(result=outcome(truth, truth, 10), history=history(final=0.004))


def unfinished() -> ReportContent:
    speed = Speed(training=1390.0, waiting=0.031)
    return content(status="stopped at step 150 of 8,000", history=history(stop=3), speed=speed, warnings=())


def empty() -> ReportContent:
    bare: dict[str, Any] = {
        "history": (),
        "counts": None,
        "speed": Speed(),
        "recipe": "",
        "versions": {},
        "hardware": {},
    }
    return content(status="stopped at step 0 of 8,000", warnings=(), **bare)


def stopped_late() -> ReportContent:
    late = made_up(5, 400, 0.2, FLOWERS)
    assert late.result is not None
    validation = replace(late.result, split="validation", total=1000)
    limited = "Evaluated 400 of 1,000 pictures (data.limit)."
    rows = history(stop=80)
    changed: dict[str, Any] = {"result": None, "validation": validation, "history": rows, "warnings": (limited,)}
    return replace(late, status="stopped at step 4,000 of 8,000", **changed)


CASES: dict[str, Callable[[], ReportContent]] = {
    "digits": digits,
    "flowers": lambda: made_up(5, 734, 0.07, FLOWERS),
    "animals": lambda: made_up(25, 2500, 0.12, ANIMALS),
    "hundred": lambda: made_up(100, 10_000, 0.2),
    "thousand": lambda: made_up(1000, 50_000, 0.22),
    "nasty": lambda: made_up(5, 200, 0.1, NASTY),
    "one class": lambda: made_up(1, 20, 0.0, ("only",)),
    "perfect": perfect,
    "unfinished": unfinished,
    "empty": empty,
    "stopped late": stopped_late,
    "long": lambda: replace(digits(), history=history(epochs=300, per_epoch=20, final=0.03)),
}
