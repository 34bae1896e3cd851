"""A temperature reaches everything that computes with a model, and goes where it no longer holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import cardinet
from cardinet.base.errors import RequestError
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split, open_source
from cardinet.evaluate.answers import answer_table
from cardinet.evaluate.classification import evaluate
from cardinet.evaluate.evaluation_settings import EvaluationSettings
from cardinet.evaluate.job import evaluate_model
from cardinet.evaluate.opening import AskedModel, opened
from cardinet.report.card import model_card
from cardinet.report.model_facts import model_facts
from cardinet.rewrite.steps import Step
from cardinet.rewriting.job import rewrite
from cardinet.rewriting.pruning import settings_of_model
from cardinet.rewriting.request import Request, resolve
from cardinet.runs.model_file import Model, load_model, save_model
from cardinet.runs.temperature import at_temperature, temperature_note
from cardinet.weights.read_file import read_file
from cardinet.weights.upload import Target
from weights.drawn import drawn

T = 1.75
DIGITS = Preprocessing(channels=1, crop=8, mean=(0.3,), std=(0.4,))
FIGURES = {"count": 30, "total": 30, "wrong": 3, "error": 0.1, "loss": 0.5}
FITTED = {"data": "digits", "split": "validation", "count": 30, "temperature": T}


@pytest.fixture(scope="module")
def model() -> Model:
    network = drawn("resnet20_cifar", depths=(1, 1, 1), widths=(4, 4, 4), width=4, in_channels=1)
    with torch.no_grad():
        network.fc.weight.mul_(20)  # so that the answers differ
    training = {"network": "tiny", "validation": FIGURES, "test": FIGURES}
    return Model(network.eval(), network.spec, tuple("0123456789"), DIGITS, training=training)


@pytest.fixture(scope="module")
def tempered(model: Model) -> Model:
    return at_temperature(model, T, FITTED, {"validation": 0.4})


@pytest.fixture(scope="module")
def split() -> Split:
    return open_source("digits", DataSettings(limit=60)).splits["validation"]


def logits(model: Model, split: Split) -> Tensor:
    assert split.images is not None
    with torch.inference_mode():
        found: Tensor = model.network(model.preprocessing.normalise(split.images)).double()
    return found


def test_predictions_have_the_probabilities_of_the_divided_logits(model: Model, tempered: Model, split: Split) -> None:
    expected = (logits(model, split) / T).softmax(1).sort(1, descending=True)
    pictures = [split.picture(i) for i in range(20)]
    for i, (cool, warm) in enumerate(zip(model.predict(pictures), tempered.predict(pictures), strict=True)):
        assert warm.classes == cool.classes
        assert warm.probabilities == pytest.approx(expected.values[i, :5].tolist(), rel=1e-5)
        assert warm.probabilities[0] < cool.probabilities[0]


@pytest.mark.parametrize("crops", [1, 10, "dense"])
def test_an_evaluation_has_their_loss_and_the_same_error(
    model: Model, tempered: Model, split: Split, crops: Literal[1, 10, "dense"]
) -> None:
    how = EvaluationSettings(crops=crops)
    cool, warm = (evaluate(one.network, split, DIGITS, 10, how) for one in (model, tempered))
    assert np.array_equal(cool.confusion, warm.confusion)
    assert warm.wrong == cool.wrong > 0
    if crops == 1:
        truth = torch.from_numpy(split.labels)
        expected = torch.nn.functional.cross_entropy(logits(model, split) / T, truth)
        assert warm.loss == pytest.approx(expected.item(), rel=1e-6)
    assert warm.loss < cool.loss
    rows = answer_table(warm, split, model.classes).rows.content().decode().splitlines()
    assert rows[1].split(",")[2] == repr(float(warm.confidence_of_truth[0]))


def test_random_passes_are_averaged_at_the_temperature(split: Split) -> None:
    network = drawn("swapout20_w4", depths=(1, 1, 1), widths=(4, 4, 4), width=4, in_channels=1)
    cool = Model(network, network.spec, tuple("0123456789"), DIGITS)
    result = evaluate(at_temperature(cool, 1e4).network, split, DIGITS, 10, EvaluationSettings(passes=2))
    assert result.loss == pytest.approx(np.log(10), abs=1e-3)  # all classes alike
    assert evaluate(network, split, DIGITS, 10, EvaluationSettings(passes=2)).loss != pytest.approx(
        np.log(10), abs=1e-3
    )


def test_a_file_keeps_it(model: Model, tempered: Model, split: Split, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_model(path, tempered)
    back = load_model(path)
    assert (back.temperature, model.temperature) == (T, 1.0)
    assert torch.equal(logits(back, split), logits(tempered, split))
    assert back.training["calibration"] == FITTED
    assert back.training["validation"] == {**FIGURES, "loss": 0.4}
    assert back.training["test"] == {**FIGURES, "loss": None}
    note = "The logits are divided by the temperature 1.75, which was fitted to 30 validation pictures of digits."
    assert opened(AskedModel(model=str(path))).notes == (note,)
    assert opened(AskedModel(model=tempered)).notes == (note,)
    assert temperature_note(model) is None
    assert model_facts(str(path)).facts["temperature"] == T
    card = model_card(back, Target("me/digits"))
    assert "at the temperature `1.75`" in card
    assert "fitted to 30\u00a0validation pictures" in card


def test_a_second_temperature_takes_the_place_of_the_first(model: Model, tempered: Model, split: Split) -> None:
    again = at_temperature(tempered, 3.0)
    assert again.temperature == 3.0
    assert "calibration" not in again.training
    assert logits(again, split) == pytest.approx(logits(model, split) / 3.0, rel=1e-5, abs=1e-6)
    back = at_temperature(again, 1.0)
    assert temperature_note(back) is None
    assert logits(back, split) == pytest.approx(logits(model, split), rel=1e-5, abs=1e-6)


def test_other_libraries_get_it_in_the_weights(model: Model, tempered: Model, split: Split, tmp_path: Path) -> None:
    cardinet.save_weights(tempered.network, tmp_path / "a.safetensors")  # type: ignore[arg-type]
    other = replace(model, network=drawn("resnet20_cifar", 5, **_delta()))
    cardinet.load_weights(other.network, tmp_path / "a.safetensors")  # type: ignore[arg-type]
    assert logits(other, split) == pytest.approx(logits(model, split) / T, rel=1e-5, abs=1e-6)


def _delta() -> dict[str, Any]:
    return {"depths": (1, 1, 1), "widths": (4, 4, 4), "width": 4, "in_channels": 1}


@pytest.fixture
def file(tempered: Model, tmp_path: Path) -> Path:
    save_model(tmp_path / "tempered.safetensors", tempered)
    return tmp_path / "tempered.safetensors"


def rewritten(file: Path, **rewrites: Any) -> tuple[Model, tuple[str, ...]]:
    out = file.with_name("out.safetensors")
    prepared = resolve(Request(model=str(file), out=out, rewrites=rewrites))
    rewrite(prepared, out)
    return load_model(out), prepared.notes


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.measure.timing.LEAST", 2)
    monkeypatch.setattr("cardinet.rewriting.job.SECONDS", 0.0)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("rewrites", [{"fold": True}, {"deepen": "2,1,1"}, {"strip": True, "fold": True}])
def test_rewrites_that_keep_the_function_keep_it(
    model: Model, file: Path, split: Split, rewrites: dict[str, Any]
) -> None:
    found, notes = rewritten(file, **rewrites)
    assert found.temperature == T
    assert not any("removed" in note for note in notes)
    assert logits(found, split) == pytest.approx(logits(model, split) / T, rel=1e-4, abs=1e-4)


@pytest.mark.usefixtures("quick")
def test_other_classes_and_channels_remove_it(model: Model, file: Path, split: Split) -> None:
    found, notes = rewritten(file, classes="7,3,eel")
    assert found.temperature == 1.0
    assert "The temperature is removed: it was fitted to the old classes and pictures." in notes
    assert "calibration" not in found.training
    expected = logits(model, split)[:, [7, 3]]
    assert logits(found, split)[:, :2] == pytest.approx(expected, rel=1e-5, abs=1e-5)
    file.with_name("out.safetensors").unlink()
    assert rewritten(file, in_channels=3)[0].temperature == 1.0


@pytest.mark.usefixtures("quick")
def test_a_rewrite_sets_and_removes_it(model: Model, file: Path, split: Split) -> None:
    found, _ = rewritten(file, temperature=1.0)
    assert (found.temperature, temperature_note(found)) == (1.0, None)
    assert found.training == {"network": "tiny", **{name: {**FIGURES, "loss": None} for name in ("validation", "test")}}
    assert logits(found, split) == pytest.approx(logits(model, split), rel=1e-5, abs=1e-5)
    for value in (0.01, 21, True, "warm"):
        with pytest.raises(RequestError, match=r"give a number from 0\.05 to 20"):
            resolve(Request(model=str(file), out=file.with_name("b.safetensors"), rewrites={"temperature": value}))
    with pytest.raises(RequestError, match=r"has the temperature 1\.75 already"):
        resolve(Request(model=str(file), out=file.with_name("b.safetensors"), rewrites={"temperature": T}))
    both = {"temperature": 2.0, "classes": "a,b"}
    with pytest.raises(RequestError, match="change them first"):
        resolve(Request(model=str(file), out=file.with_name("b.safetensors"), rewrites=both))


def test_a_training_starts_without_it(model: Model, file: Path) -> None:
    found = read_file(file)
    assert found.rewrites == ()
    assert any("The temperature 1.75" in note and "is not taken over" in note for note in found.notes)
    for name, tensor in model.network.state_dict().items():
        torch.testing.assert_close(found.tensors[name], tensor, rtol=1e-6, atol=1e-9)
    assert settings_of_model(str(file), load_model(file), "digits")["network.rewrites"] == []


def test_a_temperature_must_be_a_number_above_zero(model: Model) -> None:
    for wrong in (0, -1.0, float("inf"), float("nan"), True, "2"):
        with pytest.raises(RequestError, match="give a number above 0"):
            at_temperature(model, wrong)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="linear classifier"):
        at_temperature(replace(model, network=torch.nn.Flatten()), 2.0)
    with pytest.raises(RequestError, match='no argument "degrees"'):
        Step("temperature", {"degrees": 3})


def test_its_fit_is_read_through_a_schema(tempered: Model, tmp_path: Path) -> None:
    wrong = replace(tempered, training={**tempered.training, "calibration": {"data": "x", "split": 3, "count": -1}})
    save_model(tmp_path / "a.safetensors", wrong)
    with pytest.raises(Exception, match=r"damaged: .*training\.calibration"):
        load_model(tmp_path / "a.safetensors")


def test_the_public_functions_know_it(tempered: Model) -> None:
    source = open_source("digits", DataSettings(limit=40))
    result = evaluate_model(tempered, source)
    assert result.loss == pytest.approx(-np.log(result.confidence_of_truth).mean(), rel=1e-9)
    assert json.dumps(tempered.rewrites[0].to_document())
    assert isinstance(tempered.predict(Image.new("L", (8, 8))).probabilities[0], float)
