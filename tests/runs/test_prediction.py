"""Answers to pictures: those of an evaluation, in batches, whatever the pictures are handed over as."""

from __future__ import annotations

import copy
import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.terminal_text import visible
from cardinet.build.builder import build
from cardinet.cli.main import outcome
from cardinet.data.data_settings import DataSettings
from cardinet.data.picture_inputs import picture_inputs
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import open_source
from cardinet.evaluate.answers import answer_table
from cardinet.evaluate.classification import evaluate
from cardinet.evaluate.evaluation_settings import EvaluationSettings
from cardinet.networks.registry import find
from cardinet.runs.answer_table import AnswerTable, check_table
from cardinet.runs.model_file import Model, save_model
from cardinet.runs.prediction import Prediction, Predictions, Unusable, predictions, top_classes

HOW = Preprocessing(channels=3, resize=20, crop=16, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(3)
    spec = find("resnext11_8x16d_digits").spec.but(num_classes=3, in_channels=3)
    network = build(spec).to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_var is not None
            module.running_var.uniform_(0.5, 2)
    with torch.no_grad():  # so that the answers differ
        network.get_parameter("fc.weight").mul_(30)
        network.get_parameter("fc.bias").zero_()
    return Model(network.eval(), spec, CLASSES, HOW)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 photographs of three classes, in class folders and folders within them."""
    root = tmp_path_factory.mktemp("photographs")
    for i in range(25):
        place = root / CLASSES[i % 3] / ("more" if i % 2 else "")
        place.mkdir(parents=True, exist_ok=True)
        pixels = 255 // (1 + i % 2) - np.random.default_rng(i).integers(
            0, 20 + 9 * i, (70 + i % 4, 66 + i, 3), dtype=np.uint8
        )
        Image.fromarray(pixels).save(place / f"{i}.png")
    return root


def test_a_folder_gets_the_answers_of_an_evaluation(model: Model, folder: Path) -> None:
    """The same order, batches and steps: the same bits."""
    split = open_source(str(folder), DataSettings(test=0.0, validation=0.0)).splits["train"]
    assert len(split) == 25
    found = model.predict(folder, top=3, batch_size=8)
    result = evaluate(model.network, split, HOW, 3, EvaluationSettings(top=3, batch_size=8))
    assert [p.path for p in found] == list(split.names)
    assert [p.classes for p in found] == [tuple(CLASSES[k] for k in row) for row in result.top]
    assert [p.probabilities for p in found] == [tuple(row) for row in result.top_probabilities.tolist()]
    assert len({p.classes for p in found}) > 1


def test_a_notebook_shows_hidden_signs_of_names_as_codes(folder: Path) -> None:
    one = Prediction("x\n.png", ("a\x1b[1m\u202eb\nc",), (1.0,), picture_inputs([folder / "a" / "0.png"])[0])
    for html in (one._repr_html_(), Predictions([one])._repr_html_()):
        assert r"a\x1b[1m\u202eb\x0ac</bdi>" in html
        assert visible(html) == html


def test_a_network_is_left_in_the_mode_that_it_was_in(model: Model, folder: Path) -> None:
    network = copy.deepcopy(model.network).train()
    first = next(module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)).eval()
    before = [module.training for module in network.modules()]
    other = replace(model, network=network)
    path = folder / "a" / "0.png"
    assert other.predict(path).probabilities == model.predict(path).probabilities
    with pytest.raises(WorkError):
        other.predict(b"no picture")
    list(predictions(other, picture_inputs([path]), 1))
    evaluate(network, open_source(str(folder), DataSettings(test=0.0, validation=0.0)).splits["train"], HOW, 3)
    assert not first.training
    assert [module.training for module in network.modules()] == before


def test_numbers_and_ways_that_are_refused(model: Model) -> None:
    for top in (0, -1, 2.0, True):
        with pytest.raises(RequestError) as error:
            model.predict(["nothere.png"], top, batch_size=0, on_bad_image="skipp")  # type: ignore[call-overload]
        assert list(error.value.findings) == [
            f"top = {top!r}: give a whole number from 1 on.",
            "batch_size = 0: give a whole number from 1 on.",
            "on_bad_image = 'skipp' is unknown (nearest: skip).",
            "There is no picture or folder nothere.png.",
        ]
    assert len(model.predict(np.zeros((20, 20), np.uint8), np.int64(2)).classes) == 2  # type: ignore[call-overload]


def test_every_way_to_hand_a_picture_over_gives_one_answer(model: Model, folder: Path) -> None:
    path = folder / "a" / "0.png"
    image = Image.open(path)
    pixels = np.asarray(image)
    expected = model.predict(path)
    assert isinstance(expected, Prediction)
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    for one in (str(path), path.read_bytes(), image, pixels, tensor, tensor / 255):
        found = model.predict(one)
        assert (found.classes, found.probabilities) == (expected.classes, expected.probabilities)
    several = model.predict([path, pixels])
    assert isinstance(several, Predictions)
    assert [p.path for p in several] == [str(path), "picture 2"]
    assert several[0].probabilities == pytest.approx(expected.probabilities, rel=1e-5)
    assert len(model.predict(f"{folder}/a/*.png")) == len(list((folder / "a").glob("*.png")))
    assert model.predict([]) == []


def test_bad_pictures_are_named_and_the_others_answered(model: Model, folder: Path, tmp_path: Path) -> None:
    good, cut, text = folder / "a" / "0.png", tmp_path / "cut.png", tmp_path / "text.png"
    cut.write_bytes(good.read_bytes()[:-40])
    text.write_text("hello")
    mixed = [cut, good, text, folder / "b" / "4.png"]
    found = list(predictions(model, picture_inputs(mixed), 1, batch_size=2))
    assert [type(answer) for answer in found] == [Unusable, Prediction, Unusable, Prediction]
    assert [answer.path for answer in found] == [str(path) for path in mixed]
    with pytest.raises(WorkError) as error:
        model.predict(mixed)
    assert [re.findall(r".*/(\w+\.png) cannot be used", text) for text in error.value.findings] == [
        ["cut.png"],
        ["text.png"],
    ]
    kept = model.predict(mixed, top=1, on_bad_image="skip")
    assert [(p.path, p.classes) for p in kept] == [(a.path, a.classes) for a in found if isinstance(a, Prediction)]
    assert [answer.path for answer in kept.unusable] == [str(cut), str(text)]
    with pytest.raises(WorkError, match=r"cut\.png cannot be used"):
        model.predict(cut, on_bad_image="skip")
    with pytest.raises(RequestError, match="nothere"):
        model.predict([good, "nothere.png"])


def test_of_equal_probabilities_the_first_class_comes_first() -> None:
    logs = torch.tensor([[0.2, 0.4, 0.4, 0.2], [0.25] * 4]).double().log()
    order, chances = top_classes(logs, 3)
    assert order.tolist() == [[1, 2, 0], [0, 1, 2]]
    assert chances.tolist() == pytest.approx(np.array([[0.4, 0.4, 0.2], [0.25] * 3]))


def test_a_notebook_shows_answer_probabilities_and_picture(model: Model, folder: Path, tmp_path: Path) -> None:
    named = Model(model.network, model.spec, ("<b>", "b & c", "c"), HOW)
    copy = tmp_path / "<i>.png"
    copy.write_bytes((folder / "a" / "0.png").read_bytes())
    one = named.predict(copy)
    page = one._repr_html_()
    assert page.count("data:image/png;base64,") == 1
    assert "&lt;b&gt;" in page
    assert "&lt;i&gt;.png" in page
    assert not re.search(r"<[bi]>", page)
    assert f"{100 * one.probabilities[0]:.2f}&nbsp;%" in page
    copy.unlink()
    assert "<img" not in one._repr_html_()
    many = model.predict([folder] * 2)
    assert many._repr_html_().count("<img") == 24
    assert "and 26 more" in many._repr_html_()


def test_the_tables(model: Model, folder: Path, tmp_path: Path) -> None:
    split = open_source(str(folder), DataSettings(test=0.0, validation=0.0)).splits["train"]
    result = evaluate(model.network, split, HOW, 3, EvaluationSettings(top=2))
    answer_table(result, split, CLASSES).write(tmp_path / "eval.csv")
    with open(tmp_path / "eval.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = "path truth probability_of_truth predicted probability class_2 probability_2"
    assert list(rows[0]) == columns.split()
    assert [row["path"] for row in rows] == [str(Path(name).relative_to(folder)) for name in split.names]
    assert [row["truth"] for row in rows] == [CLASSES[k] for k in split.labels]
    assert [row["predicted"] for row in rows] == [CLASSES[k] for k in result.predicted]
    for column, values in (
        ("probability", result.confidence),
        ("probability_2", result.top_probabilities[:, 1]),
        ("probability_of_truth", result.confidence_of_truth),
    ):
        assert [float(row[column]) for row in rows] == values.tolist()  # all digits


NAMES = (
    "back\\slash",
    'quo"te',
    "com,ma",
    "new\nline",
    "car\rriage",
    "both\r\n",
    "é 日本",
    "\x1b[31m\t\x85\u2028",
    " =1",
    "",
)
"""Odd beginnings of names of files and classes."""


def test_a_table_has_the_very_names(tmp_path: Path) -> None:
    table = AnswerTable(2, truth=False)
    for name in NAMES:
        table.add(f"{name}.png", [f"{name}a", f"b{name}"], [0.75, 0.25])
    table.refuse("gone\udcff.png", "gone\udcff.png cannot be used: \x07.")
    table.write(tmp_path / "a.csv")
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        *rows, last = csv.DictReader(file)
    assert [row["path"] for row in rows] == [f"{name}.png" for name in NAMES]
    assert [(row["predicted"], row["class_2"]) for row in rows] == [(f"{name}a", f"b{name}") for name in NAMES]
    assert {(row["probability"], row["probability_2"], row["problem"]) for row in rows} == {("0.75", "0.25", "")}
    assert last["path"] == "gone\\udcff.png"  # no UTF-8
    assert (last["predicted"], last["problem"]) == ("", "gone\\udcff.png cannot be used: \\x07.")
    assert (tmp_path / "a.csv").read_bytes().count(b"\r\n") == 3  # all in the name that has it


def test_the_tables_of_eval_and_predict_name_the_files(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "pictures"
    for i, name in enumerate(NAMES):
        (root / CLASSES[i % 3]).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (20 * i, 9, 9)).save(root / CLASSES[i % 3] / f"{name}{i}.png")
    save_model(tmp_path / "model.safetensors", model)
    words = [str(tmp_path / "model.safetensors"), "--workers", "0", "--device", "cpu", "--out"]
    assert outcome(["predict", *words, str(tmp_path / "predict.csv"), str(root)]) == 0
    assert outcome(["eval", *words, str(tmp_path / "eval.csv"), "--data", str(root)]) == 0
    there = {str(path.relative_to(root)) for path in root.glob("*/*")}
    assert len(there) == len(NAMES)
    for table in ("predict.csv", "eval.csv"):
        with open(tmp_path / table, newline="", encoding="utf-8") as file:
            assert {row["path"] for row in csv.DictReader(file)} == there


def test_where_a_table_cannot_stand(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "gone")
    for name, reason in (
        ("a.txt", "ends in .csv"),
        ("b.parquet", "--out parquet:.*b[.]$"),
        ("there.csv", "exists"),
        ("dangling.csv", "exists"),
        ("no/a.csv", "its folder does not exist"),
    ):
        with pytest.raises(RequestError, match=reason):
            check_table(tmp_path / name)
    check_table(tmp_path / "new.CSV")
