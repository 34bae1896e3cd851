"""Stochastic inference over a split: the mean of passes in which Swapout draws, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cardinet.base.errors import RequestError
from cardinet.blocks.merge import stochastic_inference
from cardinet.build.builder import build
from cardinet.data.batches import evaluation_batches
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split, open_source
from cardinet.evaluate.classification import evaluate
from cardinet.evaluate.evaluation_settings import EvaluationSettings
from cardinet.evaluate.matching import check_passes
from cardinet.networks.parts.merge import Swapout
from cardinet.networks.registry import find
from cardinet.runs.model_file import Model

DIGITS = Preprocessing(channels=1, crop=8, mean=(0.3,), std=(0.4,))
SPEC = find("resnext11_8x16d_digits").spec


@pytest.fixture(scope="module")
def digits() -> Split:
    return open_source("digits", DataSettings(limit=53)).splits["validation"]


def test_passes_average_draws_and_repeat(digits: Split) -> None:
    torch.manual_seed(0)
    network = build(SPEC.but(merge=Swapout()))
    statistics = {name: b.clone() for name, b in network.named_buffers()}
    state = torch.get_rng_state()
    plain = evaluate(network, digits, DIGITS, 10)
    two, again, many = (evaluate(network, digits, DIGITS, 10, EvaluationSettings(passes=n)) for n in (2, 2, 100))
    assert np.array_equal(two.confidence, again.confidence)
    assert not np.array_equal(two.confidence, plain.confidence)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        batch = next(iter(evaluation_batches(digits, DIGITS, batch_size=128, workers=0, device="cpu")))
        expected = stochastic_inference(network.eval(), batch.pixels, 100)
    of_truth = expected.gather(1, batch.labels[:, None])[:, 0].numpy()  # other draws of the same mean
    assert np.abs(many.confidence_of_truth - of_truth).max() < 0.5 * np.abs(two.confidence_of_truth - of_truth).max()
    assert all(torch.equal(b, statistics[name]) for name, b in network.named_buffers())


def test_passes_of_a_network_that_draws_nothing_are_refused() -> None:
    with pytest.raises(RequestError, match="passes = 30: this network has no random layers"):
        check_passes(Model(build(SPEC), SPEC, tuple("0123456789"), DIGITS), 30)
    check_passes(Model(build(SPEC.but(merge=Swapout())), SPEC, tuple("0123456789"), DIGITS), 30)
    check_passes(Model(build(SPEC), SPEC, tuple("0123456789"), DIGITS), 1)
