"""The question cam: which pictures it shows, what is said of them, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.explain import batches, map_pictures, shown_pictures
from cardinet.explain.answer import Answer
from cardinet.explain.attribution import METHODS
from cardinet.explain.attribution import method as method_file
from cardinet.explain.attribution.integrated_gradients import logit_change
from cardinet.explain.figures import Dots, Sheet, Table
from cardinet.explain.job import explain_model
from cardinet.explain.questions.cam import Cam
from cardinet.explain.request import Request, resolve
from cardinet.report.explain_page import page
from cardinet.runs.model_file import Model
from explain.models import TINY, classifier, drawn, unchanged

STEPS = ("fc", "layer3", "layer2", "layer1", "bn1", "conv1")
"""The children of the model with parameters, from the last."""


@pytest.fixture(autouse=True)
def small_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the time would go into enlarged pictures."""
    monkeypatch.setattr(map_pictures, "SIDE", 16)


@pytest.fixture(scope="module")
def model() -> Model:
    return classifier()


@pytest.fixture(scope="module")
def digits() -> Source:
    return open_source("digits", DataSettings(limit=36))


@pytest.fixture
def files(tmp_path: Path, digits: Source) -> list[str]:
    """Three digits of the test split as files without classes."""
    names = [str(tmp_path / f"{i} .png") for i in range(3)]
    for i, name in enumerate(names):
        digits.splits["test"].picture(i).save(name)
    return names


def sheet_of(found: Answer) -> Sheet:
    sheet = found.sections[0].figures[0]
    assert isinstance(sheet, Sheet)
    return sheet


@pytest.mark.parametrize("method", METHODS)
def test_a_sheet_has_the_picture_and_two_maps(method: str, model: Model, digits: Source) -> None:
    """The maps are those of the answer and of the rival, or of the true class if the answer is wrong."""
    with unchanged(model.network):
        found = explain_model("cam", model, digits, method=method, pictures=12)
    assert [len(row) for row in sheet_of(found).rows] == [3] * 12
    assert found.sections[0].text[1] == "The pictures are shown as the network sees them, as 8 x 8 pixels."
    rows: Any = found.document["pictures"]
    wrong = [row["answer"] != row["truth"] for row in rows]
    assert sum(wrong) > 0
    for i, row in enumerate(rows):
        assert row["other_is"] == ("true class" if wrong[i] else "rival")
        assert row["answer"] != row["other"]
        assert row["probability"] >= row["other_probability"]
        if wrong[i]:
            assert row["other"] == row["truth"]
        cell, answer, other = sheet_of(found).rows[i]
        assert cell.caption == [row["picture"]]
        assert answer.caption[0] == row["answer"]
        assert (answer.right, other.right) == ((False, True) if wrong[i] else (True, None))
    redrawn: Any = found.document["randomised"]
    assert [row["down to"] for row in redrawn] == list(STEPS)
    dots = found.sections[-2].figures[0]
    assert isinstance(dots, Dots)
    assert [values for _, values in dots.rows] == [row["values"] for row in redrawn]
    assert {len(row["values"]) for row in redrawn} == {12}


def test_arrays_are_the_raw_maps_of_what_the_network_saw(model: Model, digits: Source) -> None:
    """In batches of a few pictures, and equal to one batch by hand."""
    for method in ("grad-cam", "integrated-gradients"):
        found = explain_model("cam", model, digits, method=method, pictures=5, batch_size=2).arrays
        seen = torch.from_numpy(found["pictures"]).permute(0, 3, 1, 2)
        x, network = model.preprocessing.normalise(seen), model.network
        assert np.allclose(found["logits"], network(x).detach(), atol=1e-5)
        assert found["answer"].tolist() == found["logits"].argmax(1).tolist()
        for kind in ("answer", "other"):
            classes = torch.from_numpy(found[kind])
            expected = METHODS[method].maps(network, x, classes, "layer3")  # type: ignore[arg-type]
            assert found[f"maps.{kind}"].dtype == np.float32
            assert np.allclose(found[f"maps.{kind}"], expected, atol=1e-5)
        for name, pixels in zip(found["path"], found["pictures"], strict=True):
            row = [digits.splits["test"].names.key(i) for i in range(len(digits.splits["test"]))].index(name)
            assert np.array_equal(pixels[:, :, 0], np.asarray(digits.splits["test"].picture(row)))


@pytest.mark.parametrize("method", METHODS)
def test_few_pictures_pass_the_network_at_once(method: str, digits: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every part of the answer, however many pictures are shown; the numbers are the same."""
    model, passed = classifier(), list[int]()
    asked: dict[str, Any] = {"method": method, "pictures": 6, **({"points": 5} if METHODS[method].COMPLETE else {})}
    alike = explain_model("cam", model, digits, **asked).document
    for file in (batches, method_file):
        monkeypatch.setattr(file, "PIXELS_AT_ONCE", 8 * 8 * 4)
    model.network.get_submodule("conv1").register_forward_pre_hook(lambda module, args: passed.append(len(args[0])))
    found = explain_model("cam", model, digits, **asked).document
    assert max(passed) == 4
    for name in ("methods", "deletion_against_random"):
        assert flat(found[name]) == pytest.approx(flat(alike[name]), abs=1e-5)
    for one, other in zip(found["pictures"], alike["pictures"], strict=True):
        assert flat(one) == pytest.approx(flat(other), abs=1e-4)


def flat(values: Any) -> list[float]:
    """All numbers of a document."""
    if isinstance(values, dict | list | tuple):
        return [x for value in (values.values() if isinstance(values, dict) else values) for x in flat(value)]
    return [float(values)] if isinstance(values, int | float) else []


def test_which_pictures_are_the_surest(model: Model, digits: Source) -> None:
    """Against all answers, sorted by hand."""
    every: Any = explain_model("cam", model, digits, which="first", pictures=1000).document["pictures"]
    sure = sorted(every, key=lambda row: -row["probability"])
    wrong = [row["row"] for row in sure if row["answer"] != row["truth"]]
    right = [row["row"] for row in sure if row["answer"] == row["truth"]]
    assert len(every) == len(digits.splits["test"])
    assert min(len(wrong), len(right)) >= 2

    def rows(which: str, pictures: int) -> list[int]:
        found: Any = explain_model("cam", model, digits, which=which, pictures=pictures).document["pictures"]
        return [row["row"] for row in found]

    assert rows("mistakes", 4) == wrong[:4]
    assert rows("confident", 4) == wrong[:2] + right[:2]
    assert rows("confident", 1000) == wrong + right
    assert rows("first", 3) == [0, 1, 2]


def test_no_mistakes_are_said_in_a_sentence(model: Model, digits: Source) -> None:
    """The labels are the model's own answers; the surest answers are then all right."""
    split = digits.splits["test"]
    rows: Any = explain_model("cam", model, digits, which="first", pictures=1000).document["pictures"]
    right = replace(split, labels=np.array([int(row["answer"]) for row in rows], dtype=np.int64))
    own = replace(digits, splits={"test": right})
    with pytest.raises(WorkError, match=f"None of the {len(split)} answers is wrong"):
        explain_model("cam", model, own, which="mistakes")
    found: Any = explain_model("cam", model, own, which="confident", pictures=4).document["pictures"]
    assert all(row["other_is"] == "rival" for row in found)
    assert len(found) == 4


def test_the_same_seed_gives_the_same_answer(model: Model, digits: Source) -> None:
    first, again, other = (explain_model("cam", model, digits, pictures=3, seed=seed) for seed in (1, 1, 2))
    assert first.document == again.document
    assert first.document["pictures"] != other.document["pictures"]


def test_integrated_gradients_say_their_gap(model: Model, digits: Source) -> None:
    few, many = (
        explain_model("cam", model, digits, method="integrated-gradients", pictures=4, points=points)
        for points in (2, 400)
    )
    assert max(abs(row["gap"]) for row in many.document["pictures"]) < 0.02
    assert sum(abs(row["gap"]) for row in few.document["pictures"]) > 0.1
    assert any("--set points=500" in text for text in few.limits)
    assert not any("--set points=500" in text for text in many.limits)
    x = model.preprocessing.normalise(torch.from_numpy(few.arrays["pictures"]).permute(0, 3, 1, 2))
    change = logit_change(model.network, x, torch.from_numpy(few.arrays["answer"]))  # type: ignore[arg-type]
    for i, row in enumerate(few.document["pictures"]):
        assert row["change"] == pytest.approx(float(change[i]), abs=1e-5)
        assert row["sum"] == pytest.approx(float(few.arrays["maps.answer"][i].sum()), abs=1e-4)
        assert row["gap"] == pytest.approx(row["sum"] - row["change"])
        assert sheet_of(few).rows[i][1].caption[-1] == f"sum {row['sum']:.3g}, gap {row['gap']:.2g}"
    shares = sorted(abs(row["gap"] / row["change"]) for row in few.document["pictures"])
    assert few.strip["gap of the sums, median"] == f"{50 * (shares[1] + shares[2]):.1f} %"
    table = few.sections[-1].figures[0]
    assert isinstance(table, Table)
    assert "gap" in table.columns


def test_figures_of_all_methods_and_of_a_random_map(model: Model, digits: Source) -> None:
    found = explain_model("cam", model, digits, pictures=3, compare=True).document
    assert list(found["methods"]) == [*METHODS, "random map"]
    for name in METHODS:
        asked = explain_model("cam", model, digits, pictures=3, method=name)
        alone, alone_strip = asked.document, asked.strip
        assert alone["methods"][name] == found["methods"][name]
        assert alone["methods"]["random map"]["deletion"] != alone["methods"][name]["deletion"]
    right = sum(row["answer"] == row["truth"] for row in found["pictures"])
    assert alone_strip["right answers"] == f"{right} of 3"
    drops = [row["drop"] for row in found["pictures"]]
    assert found["methods"]["grad-cam"]["average_drop"] == pytest.approx(sum(drops) / 3)


@pytest.mark.parametrize(
    ("shift", "verdict"), [(-0.5, "The marked places matter:"), (0.0, "It is open"), (0.5, "matter less than others")]
)
def test_a_verdict_needs_an_interval_beside_0(
    shift: float, verdict: str, model: Model, digits: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cardinet.explain import map_page

    def paired(first: list[float], second: list[float]) -> tuple[float, tuple[float, float]]:
        return shift, (shift - 0.1, shift + 0.1)

    monkeypatch.setattr(map_page, "paired", paired)
    assert verdict in explain_model("cam", model, digits, pictures=2).lead[-1]


def test_pictures_without_classes(model: Model, digits: Source, files: list[str]) -> None:
    """They get the same maps as the same pictures with classes; no true class is said or needed."""
    loose = explain_model("cam", model, files)
    known = explain_model("cam", model, digits, which="first", pictures=3)
    for name in ("logits", "answer", "pictures", "maps.answer"):
        assert np.array_equal(loose.arrays[name], known.arrays[name])
    assert loose.arrays["label"].tolist() == [-1] * 3
    assert loose.arrays["class"].tolist() == [""] * 3
    assert known.arrays["class"].tolist() == [str(label) for label in digits.splits["test"].labels[:3]]
    rows: Any = loose.document["pictures"]
    assert [row["picture"] for row in rows] == files
    assert {(row["truth"], row["other_is"]) for row in rows} == {(None, "rival")}
    order = np.argsort(-loose.arrays["logits"], 1)
    assert loose.arrays["other"].tolist() == order[:, 1].tolist()
    assert loose.lead[0].startswith(f"{files[0]}: {rows[0]['answer']} (")
    assert sheet_of(loose).columns == ("picture", "answer", "rival")
    assert all(cell.right is None for row in sheet_of(loose).rows for cell in row)


def test_one_picture_has_no_verdict(model: Model, files: list[str]) -> None:
    found = explain_model("cam", model, files[1])
    assert found.document["deletion_against_random"]["interval"] is None
    assert "no verdict" in found.lead[-1]


def test_all_loose_pictures_are_shown_up_to_a_bound(
    model: Model, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown_pictures, "OF_SOURCE", 1)
    assert explain_model("cam", model, tmp_path).document["count"] == 3
    monkeypatch.setattr(shown_pictures, "OF_LOOSE", 2)
    found = explain_model("cam", model, tmp_path)
    assert found.document["count"] == 2
    assert "2 of 3 pictures, drawn by the seed 0." in found.sections[0].text[0]


def test_the_page_names_loose_pictures_as_words_of_the_command(model: Model, files: list[str]) -> None:
    asked = resolve(Request(question="cam", model=model, data=files[:2]))
    html = page(asked, asked.question.answer(asked.subject))
    assert f"explain cam Residual &#39;{files[0]}&#39; &#39;{files[1]}&#39;" in html
    assert "<span>2 pictures</span>" in html
    one = resolve(Request(question="cam", model=model, data=files[0]))
    assert f"<span>{files[0]}</span>" in page(one, one.question.answer(one.subject))


REFUSED: dict[str, tuple[Callable[[Model, list[str]], object], str]] = {
    "mistakes": (lambda m, f: explain_model("cam", m, f, which="mistakes"), "needs the true classes"),
    "a split": (lambda m, f: explain_model("cam", m, f, split="test"), 'no split "test"'),
    "a limit": (lambda m, f: explain_model("cam", m, f, limit=3), "limit: pictures without classes are all used"),
    "another question": (lambda m, f: explain_model("paths", m, f), "looks at one SOURCE with classes, and 3 are"),
    "a file": (lambda m, f: explain_model("paths", m, f[0]), "give the folder that holds one folder for each class"),
    "no file": (lambda m, f: explain_model("cam", m, [f[0], "no.png"]), "There is no picture or folder no.png"),
    "a layer": (lambda m, f: explain_model("cam", m, f, layer="body"), "layer1, layer2, layer3"),
    "no layer": (
        lambda m, f: explain_model("cam", m, f, layer="layer1", method="occlusion"),
        "layer = layer1: occlusion has no layer",
    ),
    "neither": (
        lambda m, f: explain_model("cam", m, f, layer="layer1", points=9, method="occlusion"),
        "occlusion has no points",
    ),
    "no points": (lambda m, f: explain_model("cam", m, f, points=9), "points = 9: grad-cam has no points"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, model: Model, files: list[str]) -> None:
    ask, words = REFUSED[case]
    with pytest.raises(CardinetError, match=words):
        ask(model, files)
    assert len(REFUSED) == 10


def test_a_picture_that_cannot_be_read(model: Model, files: list[str]) -> None:
    Path(files[1]).write_bytes(Path(files[1]).read_bytes()[:50])
    with pytest.raises(WorkError) as error:
        explain_model("cam", model, files)
    assert files[1] in error.value.findings[0]
    found = resolve(Request(question="cam", model=model, data=files, words=("on_bad_image=skip",)))
    assert "1 of 3 pictures cannot be used and were left out (on_bad_image = skip)." in found.subject.opened.notes
    rows: Any = found.question.answer(found.subject).document["pictures"]
    assert [row["picture"] for row in rows] == [files[0], files[2]]
    Path(files[0]).write_bytes(b"no picture")
    with pytest.raises(WorkError, match="not a picture"):
        explain_model("cam", model, files[0])
    with pytest.raises(RequestError, match=r"^1 picture of .*: none can be used"):
        explain_model("cam", model, files[0], on_bad_image="skip")


def test_a_network_with_one_class_has_no_rival() -> None:
    (problem,) = Cam().problems(drawn(TINY.but(num_classes=1)))
    assert "only one class" in problem
    assert Cam().problems(drawn(TINY.but(num_classes=2))) == []


def test_a_map_is_blank_by_the_size_of_its_logits(model: Model, digits: Source) -> None:
    """With a classifier of tiny weights all values are tiny and no map is blank; with weights of 0 all are."""
    for scale, blank in ((1e-9, [False]), (0.0, [True])):
        small = classifier()
        with torch.no_grad():
            small.network.fc.weight.mul_(scale)  # type: ignore[union-attr, operator]
            small.network.fc.bias.mul_(scale)  # type: ignore[union-attr, operator]
        found = explain_model("cam", small, digits, method="integrated-gradients", pictures=4)
        rows: Any = found.document["pictures"]
        assert [row["blank"] for row in rows] == [blank * 2] * 4
        assert ("blank: nothing speaks for this class" in sheet_of(found).rows[0][1].caption) is blank[0]


def test_a_sure_answer_is_not_written_as_certain(digits: Source) -> None:
    sure = classifier()
    with torch.no_grad():
        sure.network.fc.bias[3] = 12.0  # type: ignore[union-attr, operator]
    captions = [cell.caption for cell in sheet_of(explain_model("cam", sure, digits, pictures=1)).rows[0]]
    assert captions[1][:2] == ["3", "> 99.9 %"]
    assert captions[2][1] == "< 0.1 %"
