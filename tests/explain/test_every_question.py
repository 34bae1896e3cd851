"""What holds for every question: a meaning or a reason for each kind of network, and work that fits into the memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
