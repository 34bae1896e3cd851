"""The setting `recompute`, and frozen layers: what a run computes stays, and what its steps need becomes less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cardinet.base.errors import RequestError
from cardinet.measure import available_memory
from cardinet.networks.document import from_document, to_document
from cardinet.networks.registry import find
from cardinet.train.listener import Listener
from cardinet.train.request import Request, Resolved, resolve
from train.runs_to_compare import DIGITS, differences, train
from train.test_methods import SHORT, crashed_and_resumed, every_step_is_shown

__all__ = ["every_step_is_shown"]

VARIED = SHORT | {"merge": "StochasticDepth(last=0.5)", "length": "24 steps", "accumulate": 2}


def resolved(**settings: Any) -> Resolved:
    return resolve(Request(settings=tuple((DIGITS | {"threads": 1} | settings).items())), Listener())


def test_a_run_has_the_same_bits_and_resumes(tmp_path: Path) -> None:
    """With units closed at random, and batches in two parts."""
    plain = train(tmp_path / "plain", VARIED).path
    again = train(tmp_path / "again", VARIED | {"recompute": True})
    assert again.record().recipe["training"]["recompute"] is True
    assert differences(again.path, plain) == []
    assert differences(crashed_and_resumed(tmp_path / "cut", VARIED | {"recompute": True}, step=21), plain) == []


@pytest.mark.parametrize("network", ["resnet20_cifar", pytest.param("densenet_40_12", marks=pytest.mark.long)])
def test_the_estimate_knows_it(network: str) -> None:
    settings = {"network.id": network, "size": 32, "batch_size": 64}
    plain, again = (resolved(**settings, recompute=recompute).memory for recompute in (False, True))
    assert again.per_picture < 0.6 * plain.per_picture


@pytest.mark.long
def test_the_message_on_too_little_memory_proposes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"network.id": "resnet56_cifar", "size": 32, "batch_size": 1024}
    needed = resolved(**settings, recompute=True).memory.of(1024)
    monkeypatch.setattr(available_memory, "available_memory", lambda device: 10**9)
    for recompute in (False, True):
        with pytest.raises(RequestError) as caught:
            resolved(**settings, recompute=recompute)
        proposed = f"fits. With --set recompute=true it needs about {needed / 1e9:.1f} GB and more time."
        assert (proposed in str(caught.value)) is not recompute


def test_frozen_layers_need_less() -> None:
    """No gradients, no momenta, and no activations below the first trained layer; later they need all of it."""
    settings = {"network.id": "resnet20_cifar", "size": 32, "batch_size": 64}
    plain, head, late = (
        resolved(**settings, methods=method).memory for method in ("none", "Freeze", "Freeze(until='1 step')")
    )
    assert head.per_picture < 0.5 * plain.per_picture
    parameters = 4 * 270_000
    assert plain.fixed - head.fixed > parameters
    assert late == plain


def test_documents_of_before() -> None:
    """DenseNet had a field of its own, which changed nothing that is computed."""
    spec = find("densenet_40_12").spec
    document = to_document(spec)
    assert "recompute" not in document
    for value in (False, True):
        assert from_document({**document, "recompute": value}) == spec
    with pytest.raises(RequestError, match="recomputed"):
        from_document({**document, "recomputed": True})


def test_other_names_lead_to_it() -> None:
    with pytest.raises(RequestError, match="here it is called recompute"):
        resolved(grad_checkpointing=True)
