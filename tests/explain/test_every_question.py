"""What holds for every question: a meaning or a reason for each kind of network, and work that fits into the memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.explain.job import explain_model
from cardinet.explain.questions import QUESTIONS, meaningful
from cardinet.measure.memory import network_bytes
from cardinet.networks.families.deeply_fused import fuse
from cardinet.networks.spec import NetworkSpec
from explain.models import TINY, classifier
from measure.machine import with_memory
from networks.small_networks import SMALL

WITH_A_MEANING: dict[str, NetworkSpec] = {
    "fusion": fuse(5, 3),
    "cardinality": SMALL["form c"],
    "attention": SMALL["squeeze and excitation"],
}
"""A small network for a question that has no meaning for TINY."""


def test_every_question_has_a_meaning_or_a_reason_for_every_topology() -> None:
    reasons: set[str] = set()
    smallest = {type(spec): spec for spec in SMALL.values()} | {type(spec): spec for spec in WITH_A_MEANING.values()}
    asked = 0
    for spec in smallest.values():
        network = build(spec, device="meta").eval()
        found = {name: row.load()().problems(network) for name, row in QUESTIONS.items()}
        assert all(problem.endswith(".") and "\n" not in problem for every in found.values() for problem in every)
        have = {name for name, problems in found.items() if not problems}
        assert {"paths", "gradients", "cam", "calibration", "mistakes", "embed"} <= have
        assert set(meaningful(network, "cam")) == have - {"cam"}
        reasons |= {problem for every in found.values() for problem in every}
        asked += len(found)
    assert asked == 11 * 11
    assert len(reasons) == 5


@pytest.fixture(scope="module")
def digits() -> Source:
    return open_source("digits", DataSettings(limit=200))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_batch_that_does_not_fit_is_refused(
    name: str, digits: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = classifier(WITH_A_MEANING.get(name, TINY).but(in_channels=1, num_classes=10))
    many: dict[str, Any] = {"pictures": 200} if name in ("paths", "cam") else {}
    with_memory(monkeypatch, tmp_path, network_bytes(model.network) + 2**19)
    with pytest.raises(
        RequestError, match=r"^This question needs about .* for batches of \d+ pictures of 8 x 8 pixels"
    ):
        explain_model(name, model, digits, **many)


def test_values_of_a_python_call_that_cannot_be_used_are_named(digits: Source) -> None:
    model = classifier(TINY.but(num_classes=10))
    quick: dict[str, Any] = {"estimate": 0, "draws": 1, "counts": 2, "pictures": 10}
    with pytest.raises(RequestError) as raised:
        explain_model("lesion", model, digits, contrast=model, draws={2})
    assert raised.value.findings == (
        "contrast is a Model; give text, a number, a list or a path.",
        "draws is a set; give text, a number, a list or a path.",
    )
    for wrong in (3, b"digits", {"digits": 1}):
        with pytest.raises(RequestError, match="is no source of pictures; give its text, a path"):
            explain_model("lesion", model, wrong, **quick)  # type: ignore[arg-type]
    gated = classifier(WITH_A_MEANING["attention"].but(in_channels=1, num_classes=10))
    tuples, lists = (explain_model("attention", gated, digits, zooms=zooms) for zooms in ((1, 2.5), [1, 2.5]))
    assert tuples.document["units"] == lists.document["units"]
    numbers, texts = (explain_model("lesion", model, digits, **{**quick, "draws": two}) for two in (np.int64(2), "2"))
    assert numbers.document == texts.document
