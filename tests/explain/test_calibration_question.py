"""The question `calibration`: which pictures it uses, what it says, and the model that it stores."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from cardinet.base.errors import RequestError
from cardinet.base.randomness import permutation
from cardinet.cli.main import outcome
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.evaluate.calibration import losses
from cardinet.evaluate.classification import evaluate
from cardinet.evaluate.outputs import outputs
from cardinet.evaluate.temperature import fit_temperature
from cardinet.explain.job import explain_model
from cardinet.report.explain_page import figure_html
from cardinet.runs.model_file import Model, load_model, save_model
from cardinet.runs.temperature import at_temperature
from explain.models import classifier, unchanged


@pytest.fixture(scope="module")
def digits() -> Source:
    return open_source("digits", DataSettings(validation=0.2))


@pytest.fixture(scope="module")
def model(digits: Source) -> Model:
    """A classifier whose last layer was fitted, and made too sure."""
    found = classifier()
    train = outputs(found, digits.splits["train"])
    with torch.no_grad():
        targets = torch.eye(10)[torch.from_numpy(train.truth)]
        inputs = torch.cat([torch.from_numpy(train.features), torch.ones(len(targets), 1)], 1)
        weights = torch.linalg.lstsq(inputs, targets).solution
        found.network.get_parameter("fc.weight").copy_(40 * weights[:-1].T)
        found.network.get_parameter("fc.bias").copy_(40 * weights[-1])
    pictures = {"fingerprint": digits.fingerprint, "validation": 0.2, "test": 0.2, "split_seed": 0}
    return replace(found, training={"network": "tiny", "pictures": pictures})


def test_outputs_are_those_of_an_evaluation(model: Model, digits: Source) -> None:
    with unchanged(model.network):
        found = outputs(model, digits.splits["test"], batch_size=50)
    result = evaluate(model.network, digits.splits["test"], model.preprocessing, 10)
    assert np.array_equal(found.predicted, result.predicted)
    assert -found.logs[np.arange(len(found.truth)), found.truth].mean() == pytest.approx(result.loss, rel=1e-6)
    assert found.features.shape == (len(result.truth), model.network.head_hidden_size)


def test_the_temperature_is_that_of_the_validation_pictures_measured_on_test(model: Model, digits: Source) -> None:
    with unchanged(model.network):
        found = explain_model("calibration", model, digits, resamples=50)
    document = json.loads(json.dumps(found.document))
    held, test = (outputs(model, digits.splits[name]) for name in ("validation", "test"))

    def loss(log_t: float, at: object = held) -> float:
        logs, truth = at.logs, at.truth  # type: ignore[attr-defined]
        scaled = logs / np.exp(log_t)
        scaled -= np.log(np.exp(scaled).sum(1, keepdims=True))
        return float(-scaled[np.arange(len(truth)), truth].mean())

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    assert document["temperature"]["value"] == pytest.approx(np.exp(best.x), rel=1e-6)
    assert (document["temperature"]["split"], document["temperature"]["count"]) == ("validation", len(held.truth))
    assert document["measured_on"] == "test"
    assert document["before"]["nll"]["value"] == pytest.approx(loss(0.0, test), rel=1e-9)
    assert document["after"]["nll"]["value"] == pytest.approx(loss(best.x, test), rel=1e-6)
    assert document["after"]["error"] == document["before"]["error"]
    assert document["after"]["ece"]["value"] < document["before"]["ece"]["value"]
    assert "too sure" in found.lead[0]
    assert "The test pictures were not used for the fit." in found.limits
    for section in found.sections:
        for figure in section.figures:
            assert len(figure_html(figure)) > 100


def test_a_stored_model_is_calibrated(model: Model, digits: Source, tmp_path: Path) -> None:
    path = tmp_path / "warm.safetensors"
    found = explain_model("calibration", model, digits, resamples=0, store=path)
    warm = load_model(path)
    value = found.document["temperature"]["value"]
    assert warm.temperature == value
    assert warm.training["calibration"]["split"] == "validation"
    assert warm.training["calibration"]["count"] == 180
    result = evaluate(warm.network, digits.splits["test"], warm.preprocessing, 10)
    assert result.loss == pytest.approx(found.document["after"]["nll"]["value"], rel=1e-5)
    assert str(path) in found.lead[-1]
    again = explain_model("calibration", warm, digits, resamples=0)
    assert again.document["temperature"]["value"] == pytest.approx(1.0, abs=1e-3)
    assert again.lead[1] == "The best temperature for the 180 validation pictures is 1."
    assert again.document["temperature"]["stored"] == pytest.approx(value, rel=1e-3)


def test_without_bootstrap_samples_there_are_no_intervals(model: Model, digits: Source) -> None:
    found = explain_model("calibration", model, digits, resamples=0)
    spreads = [found.document[name][key] for name in ("before", "after") for key in ("ece", "ece_mass", "brier", "nll")]
    spreads += found.document["change"].values()
    assert [(one["low"], one["high"]) for one in spreads] == [(None, None)] * 11
    figures = next(section for section in found.sections if section.title == "Figures").figures[0]
    said = [*found.lead, *found.limits, *(str(cell) for row in figures.rows for cell in row)]  # type: ignore[union-attr]
    assert not [text for text in said if re.search(r"\(.* to ", text) or "bootstrap" in text]


def test_one_split_alone_is_said_to_be_both(model: Model, digits: Source) -> None:
    found = explain_model("calibration", model, digits, split="validation", resamples=0)
    assert found.document["temperature"]["split"] == found.document["measured_on"] == "validation"
    assert any("fitted to the same pictures" in text for text in found.limits)
    plain = explain_model("calibration", model, digits, split="train", resamples=0, fit="none")
    assert "temperature" not in plain.document
    assert len(plain.lead) == 1


def test_what_is_refused(model: Model, digits: Source, tmp_path: Path) -> None:
    there = tmp_path / "there.safetensors"
    save_model(there, model)
    only = replace(digits, splits={name: digits.splits[name] for name in ("train", "test")})
    with pytest.raises(RequestError, match=r"no validation pictures for a temperature\. .*--set fit=half"):
        explain_model("calibration", model, only)
    with pytest.raises(RequestError, match="exists; name a file that does not"):
        explain_model("calibration", model, digits, store=there)
    with pytest.raises(RequestError, match=r"end its name with \.safetensors"):
        explain_model("calibration", model, digits, store=tmp_path / "a.onnx")
    with pytest.raises(RequestError, match="with fit = none there is no temperature"):
        explain_model("calibration", model, digits, store=tmp_path / "a.safetensors", fit="none")
    perfect = replace(digits, splits={"validation": _right(model, digits), "test": digits.splits["test"]})
    with pytest.raises(RequestError, match=r"below 0\.05"):
        explain_model("calibration", model, perfect, store=tmp_path / "a.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["there.safetensors"]


def test_without_a_temperature_that_is_worth_having_the_page_measures_and_says_so(model: Model, digits: Source) -> None:
    perfect = replace(digits, splits={"validation": _right(model, digits), "test": digits.splits["test"]})
    found = explain_model("calibration", model, perfect, resamples=0)
    plain = explain_model("calibration", model, digits, resamples=0, fit="none")
    assert "measured without a temperature. The best temperature lies below 0.05" in found.lead[1]
    refused = found.document["refused"]
    assert refused in found.lead[1]
    assert found.document == {**plain.document, "refused": refused}


def _right(model: Model, digits: Source):  # type: ignore[no-untyped-def]
    """The validation pictures that the model gets right."""
    split = digits.splits["validation"]
    found = outputs(model, split)
    return split.chosen(np.flatnonzero(found.predicted == found.truth))


def test_half_of_the_pictures_serve_where_there_are_no_others(model: Model, digits: Source) -> None:
    only = replace(digits, splits={name: digits.splits[name] for name in ("train", "test")})
    found = explain_model("calibration", model, only, resamples=0, fit="half", seed=2)
    temperature, before = found.document["temperature"], found.document["before"]
    assert (temperature["split"], temperature["count"], before["count"]) == ("test", 180, 180)
    test = outputs(model, digits.splits["test"])
    order = permutation(2, 0, 360)
    of_fit, others = test.of(order[:180]), test.of(order[180:])
    assert temperature["value"] == pytest.approx(fit_temperature(of_fit.logs, of_fit.truth).value, rel=1e-9)
    assert before["nll"]["value"] == pytest.approx(losses(others.logs, others.truth).mean(), rel=1e-9)
    assert any("measured on the other half" in text for text in found.limits)
    with pytest.raises(RequestError, match="the train pictures of digits have training pictures among them"):
        explain_model("calibration", model, digits, split="train", fit="half")


def pngs(digits: Source, folder: Path, count: int = 4) -> Path:
    """The first pictures of each class as files in class folders."""
    split = digits.splits["test"]
    for k in range(10):
        (folder / str(k)).mkdir(parents=True)
        for i in np.flatnonzero(split.labels == k)[:count].tolist():
            split.picture(i).save(folder / str(k) / f"{i}.png")
    return folder


def test_pictures_that_the_training_did_not_see_serve_as_a_whole(model: Model, digits: Source, tmp_path: Path) -> None:
    folder = str(pngs(digits, tmp_path / "new"))
    found = explain_model("calibration", replace(model, training={}), folder, resamples=0)
    assert " of the 40 pictures, " in found.lead[0]
    assert " fitted to 40 pictures, " in found.lead[1]
    assert (found.document["measured_on"], found.document["temperature"]["count"]) == ("all", 40)
    assert any("fitted to the same pictures" in text for text in found.limits)
    fingerprint = open_source(folder, DataSettings()).fingerprint
    trained = replace(model, training={"pictures": {"fingerprint": fingerprint}})
    with pytest.raises(RequestError, match=r"the pictures of .* have training pictures among them"):
        explain_model("calibration", trained, folder, split="all")


def test_no_validation_data_is_exit_2(
    model: Model, digits: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train", "test"):
        pngs(digits, tmp_path / "data" / name)
    save_model(tmp_path / "a.safetensors", at_temperature(replace(model, training={}), 1.5))
    words = ["explain", "calibration", str(tmp_path / "a.safetensors"), str(tmp_path / "data"), "--device", "cpu"]
    assert outcome(words) == 2
    assert "has no validation pictures" in capsys.readouterr().err
    assert outcome([*words, "--json", "--set", "resamples=10", "--set", "validation=0.5"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["temperature"]["split"] == "validation"
    assert "The logits are divided by the temperature 1.5." in printed.err
