"""The question `lesion`: its answers, its contrast, its refusals and what it says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cardinet.base.errors import RequestError
from cardinet.explain.job import explain_model
from cardinet.explain.question import Subject
from cardinet.explain.questions.lesion import _number
from cardinet.networks.registry import find
from cardinet.rewrite.steps import Step, apply
from cardinet.runs.model_file import save_model
from explain.models import classifier, unchanged


def test_a_network_without_units_is_refused_with_the_other_questions() -> None:
    model = classifier(find("vgg16").spec.but(depths=(1, 1), widths=(4, 8), in_channels=1, num_classes=10))
    with pytest.raises(RequestError, match="no unit can be deleted") as caught:
        explain_model("lesion", model, "digits")
    assert "Questions for this network: " in str(caught.value)


def test_an_answer_is_the_same_again_and_its_contrast_is_asked_the_same(tmp_path: Path) -> None:
    model, plain = classifier(), find("plain20_cifar").spec
    other = classifier(plain.but(depths=(2, 2, 1), widths=(4, 8, 8), **{"stem.width": 4}, in_channels=1))
    save_model(tmp_path / "plain.safetensors", other)
    settings: dict[str, Any] = {"estimate": 40, "draws": 2, "counts": 2, "pictures": 30, "data.limit": 60}
    with unchanged(model.network):
        first = explain_model("lesion", model, "digits", contrast=tmp_path / "plain.safetensors", **settings)
    again = explain_model("lesion", model, "digits", contrast=tmp_path / "plain.safetensors", **settings)
    assert first == again
    alone = explain_model("lesion", other, "digits", **settings).document
    theirs: Any = first.document["contrast"]
    assert theirs == {key: value for key, value in alone.items() if key != "contrast"}
    assert (first.document["pictures"], first.document["random_pictures"]) == (60, 30)
    assert [row["kept"] for row in theirs["delete"] if row["deleted"] == 0] == [len(theirs["units"])]


def test_a_contrast_that_cannot_be_compared_is_refused_at_once(tmp_path: Path) -> None:
    fewer = classifier(find("vgg16").spec.but(depths=(1, 1), widths=(4, 8), in_channels=1, num_classes=3))
    save_model(tmp_path / "vgg.safetensors", fewer)
    with pytest.raises(RequestError) as caught:
        explain_model("lesion", classifier(), "digits", contrast=tmp_path / "vgg.safetensors")
    assert [("has the classes" in one, "no unit can be deleted" in one) for one in caught.value.findings] == [
        (True, False),
        (False, True),
    ]
    with pytest.raises(RequestError, match="There is no file"):
        explain_model("lesion", classifier(), "digits", contrast=tmp_path / "none.safetensors")


def test_statistics_are_estimated_only_where_there_are_some() -> None:
    settings: dict[str, Any] = {"estimate": 20, "draws": 1, "counts": 2, "pictures": 10, "data.limit": 20}
    for spec, norms in ((find("vgg16").spec, False), (find("plain20_cifar").spec.but(**{"stem.width": 4}), True)):
        model = classifier(spec.but(depths=(2, 2), widths=(4, 8), in_channels=1, num_classes=10))
        found = explain_model("lesion", model, "digits", **settings)
        assert found.document["training_pictures"] == (20 if norms else 0)
        assert all(("estimated_error" in row) is norms for row in found.document["units"])
        assert any("No BN statistics were estimated" in limit for limit in found.limits) is not norms
    without = explain_model("lesion", classifier(), "digits", **{**settings, "estimate": 0})
    assert without.document["training_pictures"] == 0


@pytest.mark.parametrize(("side", "expected"), [(8, 1000), (32, 1000), (64, 250), (224, 100)])
def test_fewer_pictures_are_used_where_they_are_large(side: int, expected: int) -> None:
    model = SimpleNamespace(preprocessing=SimpleNamespace(crop=side))
    subject = cast(Subject, SimpleNamespace(model=model))
    assert _number(None, 1000, 100, subject) == expected
    assert _number(7, 1000, 100, subject) == 7


def test_it_is_said_that_the_bn_after_a_unit_may_be_folded_into_it() -> None:
    settings: dict[str, Any] = {"estimate": 0, "draws": 1, "counts": 2, "pictures": 10, "data.limit": 20}
    model, step = classifier(), Step("fold")
    folded = replace(model, network=apply(model.network, [step]), rewrites=(step,))
    whole, found = (explain_model("lesion", one, "digits", **settings) for one in (model, folded))
    assert set(found.limits) - set(whole.limits) == {next(limit for limit in found.limits if "is folded" in limit)}
    assert [row["error"] for row in found.document["units"]] == [row["error"] for row in whole.document["units"]]


def test_a_single_unit_is_said_as_one() -> None:
    settings: dict[str, Any] = {"estimate": 0, "draws": 1, "counts": 2, "pictures": 10, "data.limit": 20}
    said = {}
    for depths in ((1, 1, 1), (2, 1, 1)):
        spec = find("resnet20_cifar").spec.but(depths=depths, widths=(4, 8, 8), in_channels=1, **{"stem.width": 4})
        said[depths] = explain_model("lesion", classifier(spec), "digits", **settings).lead[0]
    assert re.search(r"\. Without its only unit that keeps the shape it errs on \d+\.\d+ %\.$", said[1, 1, 1])
    assert re.search(r"\. Without one of its 2 units that keep the shape it errs on .* % on average\.$", said[2, 1, 1])
