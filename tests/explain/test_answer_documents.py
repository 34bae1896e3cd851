"""The document of an answer: plain data with every number that its figures show."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.explain.answer import Answer
from cardinet.explain.figures import Bars, Chart, Dots, Figure, HeatMap, Scatter, Table
from cardinet.explain.job import explain_model
from cardinet.explain.questions import QUESTIONS
from cardinet.networks.families.deeply_fused import fuse
from cardinet.networks.registry import find
from cardinet.networks.spec import NetworkSpec
from explain.models import TINY, classifier

ASKED: dict[str, tuple[NetworkSpec, dict[str, Any]]] = {
    "paths": (TINY, {"pictures": 8, "draws": 2}),
    "lesion": (TINY, {"estimate": 20, "draws": 2, "counts": 2, "pictures": 40}),
    "fusion": (fuse(8, 3).but(widths=(4, 8, 8), in_channels=1), {"estimate": 40}),
    "cardinality": (find("resnext11_8x16d_digits").spec, {"pictures": 12}),
    "refinement": (TINY.but(depths=(3, 2, 2)), {"pictures": 12}),
    "attention": (TINY.but(gate="SqueezeExcite(reduction=2)"), {}),
    "gradients": (TINY, {"pictures": 4, "lines": 1, "points": 32, "depths": 2}),
    "cam": (TINY, {"pictures": 3}),
    "calibration": (TINY, {"fit": "none", "resamples": 20}),
    "mistakes": (TINY, {"shown": 2}),
    "embed": (TINY, {"mapped": 20, "perplexity": 5, "shown": 2}),
}
"""By question: a network of which it has a meaning, and settings that make it quick."""


@pytest.fixture(scope="module")
def digits() -> Source:
    return open_source("digits", DataSettings(limit=80))


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_number_of_a_figure_is_in_the_document(question: str, digits: Source) -> None:
    spec, settings = ASKED[question]
    found = explain_model(question, classifier(spec), digits, **settings)
    document = sorted(numbers(json.loads(json.dumps(found.document))))
    shown = list(figures_of(found))
    missing = {title: value for title, value in shown if not there(document, value)}
    assert missing == {}
    assert len(shown) >= 10


def figures_of(found: Answer) -> Iterator[tuple[str, float]]:
    """Every number of the figures of an answer, with the title of its figure."""
    for section in found.sections:
        for figure in section.figures:
            for value in values_of(figure):
                if value is not None and math.isfinite(value):
                    yield figure.title, float(value)


def values_of(figure: Figure) -> Iterator[float | None]:
    """The values of a figure, without the places at which they stand."""
    if isinstance(figure, Chart):
        for line in figure.lines:
            yield from (y for _, y in line.points)
            yield from (end for _, *ends in line.band for end in ends)
    elif isinstance(figure, Bars):
        for bar in figure.bars:
            yield from (bar.value, *(bar.spread or ()))
    elif isinstance(figure, Dots):
        for _, values in figure.rows:
            yield from values
    elif isinstance(figure, HeatMap):
        for row in figure.values:
            yield from row
    elif isinstance(figure, Scatter):
        for _, points in figure.groups:
            for point in points:
                yield from point
    elif isinstance(figure, Table):
        for cells in figure.rows:
            yield from (cell for cell in cells if not isinstance(cell, str))


def numbers(document: Any) -> Iterator[float]:
    """Every number of plain data, also those that are keys."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            if key.replace(".", "", 1).isdigit():
                yield float(key)
            yield from numbers(value)
    elif isinstance(document, list):
        for value in document:
            yield from numbers(value)
    elif isinstance(document, int | float):
        yield float(document)


def there(values: list[float], value: float) -> bool:
    """Whether a value is among sorted ones, up to the order of a sum."""
    near = abs(value) * 1e-9 + 1e-12
    place = bisect_left(values, value - near)
    return place < len(values) and values[place] <= value + near


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_damaged_model_has_no_answer(question: str, value: float, digits: Source) -> None:
    """The class of NaN would be the first one, and no comparison with NaN is true: all figures would be wrong."""
    model = classifier(ASKED[question][0])
    with torch.no_grad():
        model.network.get_parameter("fc.weight")[0, 0] = value
    with pytest.raises(WorkError, match=r"^fc\.weight has values that are not finite: the model is damaged\."):
        explain_model(question, model, digits)


REFUSED_ALONE = {"cardinality", "gradients", "embed"}
"""The questions that need at least two pictures."""


@pytest.mark.parametrize("question", QUESTIONS)
def test_one_picture_has_an_answer_or_a_reason(question: str, digits: Source) -> None:
    """No warning, no error of a library, no NaN in a sentence."""
    alone = replace(digits, splits={**digits.splits, "test": digits.splits["test"].chosen(np.arange(1))})
    spec, settings = ASKED[question]
    if question in REFUSED_ALONE:
        with pytest.raises(RequestError, match=r"only one.*; give more"):
            explain_model(question, classifier(spec), alone, **settings)
        return
    found = explain_model(question, classifier(spec), alone, **settings)
    assert not re.search(r"\b(nan|inf)\b", " ".join((*found.lead, *found.strip.values(), *found.limits)))


def test_number_of_questions() -> None:
    assert set(ASKED) == set(QUESTIONS)
    assert len(ASKED) == 11
