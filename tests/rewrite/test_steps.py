"""Rewrites as data: documents, refusals, and the application of several steps."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.networks.registry import find
from cardinet.rewrite.steps import REWRITES, Step, apply, steps_from_document

STEPS = [Step("form", {"form": form}) for form in ("a", "b", "c")]


def test_document_round_trip() -> None:
    assert STEPS[1].to_document() == {"name": "form", "arguments": {"form": "b"}}
    assert {"strip", "form", "fold"} <= set(REWRITES)
    documents = json.loads(json.dumps([step.to_document() for step in STEPS]))
    assert list(steps_from_document(documents)) == STEPS


def test_steps_are_applied_in_order() -> None:
    network = build(find("resnext11_8x16d_digits").spec)
    assert apply(network, []) is network
    written_out = apply(network, STEPS[:2])
    assert isinstance(written_out, Classifier)
    assert written_out.spec.transform.form == "b"
    last = apply(network, STEPS)
    expected = network.state_dict()
    assert all(torch.equal(t, expected[n]) for n, t in last.state_dict().items())
    assert apply(build(network.spec, device="meta"), STEPS[:1]).get_parameter("conv1.weight").is_meta


WRONG: list[tuple[Any, str]] = [
    ({"name": "fom", "arguments": {"form": "b"}}, r'There is no rewrite "fom" \(nearest: form, fold\)'),
    ({"name": "form", "arguments": {"from": "b"}}, r'no argument "from" \(nearest: form\)'),
    ({"name": "form"}, 'needs the argument "form"'),
    ({"name": "form", "arguments": {"network": 1, "form": "b"}}, 'no argument "network"'),
    ({"name": "form", "arguments": ["b"]}, "a mapping by name"),
    ({"name": "form", "argument": {}}, "A rewrite must be"),
    ({"name": 1}, "A rewrite must be"),
    ("form", "A rewrite must be"),
]


def test_number_of_wrong_documents() -> None:
    assert len(WRONG) == 8


@pytest.mark.parametrize(("document", "message"), WRONG)
def test_wrong_documents_are_refused(document: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Step.from_document(document)


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(RequestError) as error:
        steps_from_document([{"name": "flod"}, STEPS[0].to_document(), {"name": "form", "arguments": {"x": 1}}])
    assert len(error.value.findings) == 3


def test_step_that_does_not_fit_the_network_is_refused() -> None:
    with pytest.raises(RequestError, match="kernels 3,3"):
        apply(build(find("resnet20_cifar").spec, device="meta"), STEPS)
    with pytest.raises(RequestError, match='no form "d"'):
        apply(build(find("resnet50").spec, device="meta"), [Step("form", {"form": "d"})])
