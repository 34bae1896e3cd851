"""The pages: well formed, self-contained, escaped, and complete for every kind of run."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from cardinet.data.augmentations.color_jitter import ColorJitter
from cardinet.data.augmentations.flip import Flip
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.augmentations.rand_augment import RandAugment
from cardinet.data.augmentations.resized_crop import ResizedCrop
from cardinet.report import ReportContent, comparison, render
from cardinet.report.content import Outcome
from cardinet.report.data_tables import by_confusion
from cardinet.report.differences import differences
from cardinet.report.sentences import augmentation
from cardinet.runs.recorded_settings import as_text, flat
from report.report_samples import CASES, FLOWERS, NASTY, content, digits, made_up, outcome, perfect, unfinished

VOID = {"meta", "link", "img", "br", "wbr", "hr", "input"}
LOADS = {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}


class Page(HTMLParser):
    """Checks the balance of the tags, and collects texts, tags and the addresses that a browser would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.attributes: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        assert len(values) == len(attrs), f"an attribute of {tag} stands twice"
        self.tags.append(tag)
        self.attributes.append((tag, values))
        self.addresses += [values[name] for name in LOADS & values.keys()]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data.replace("\u00a0", " ")


def words(html: str) -> str:
    """What a reader sees, with one space between the elements."""
    text = re.sub(r"<[^>]+>", " ", html.partition("</style>")[2].replace("<wbr>", ""))
    return re.sub(r"\s+", " ", unescape(text))


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render(make()) for name, make in CASES.items()}


def compared() -> str:
    return comparison([digits(), unfinished(), replace(perfect(), name="ResNet-50")])


def test_every_case_is_there() -> None:
    assert len(CASES) == 12


@pytest.mark.parametrize("name", [*CASES, "comparison"])
def test_well_formed_and_self_contained(name: str, pages: dict[str, str]) -> None:
    html = compared() if name == "comparison" else pages[name]
    page = Page(html)
    assert html.startswith("<!doctype html>")
    assert all(address.startswith("data:") for address in page.addresses)
    assert not re.search(r"https?:|url\(|@import", html)
    assert "script" not in page.tags
    assert page.tags.count("h1") == 1
    assert page.tags.count("title") >= 1
    assert all("alt" in values for tag, values in page.attributes if tag == "img")
    assert all(values.get("scope") for tag, values in page.attributes if tag == "th")


@pytest.mark.parametrize("name", [*CASES, "comparison"])
def test_svg_is_finite_and_named(name: str, pages: dict[str, str]) -> None:
    page = Page(compared() if name == "comparison" else pages[name])
    drawn = 0
    for tag, values in page.attributes:
        if tag == "svg":
            assert values.get("aria-label") or values.get("aria-hidden")
        geometry = " ".join(values.get(key, "") for key in ("d", "x", "y", "cx", "cy", "viewbox"))
        assert not re.search("nan|inf|None", geometry)
        drawn += tag == "path"
        for number in re.findall(r"-?\d+(?:\.\d+)?", geometry):
            assert -20 <= float(number) <= 500
    assert drawn >= 2


def test_headline_and_key_figures(pages: dict[str, str]) -> None:
    text = Page(pages["digits"]).text
    result = digits().result
    assert result is not None
    assert result.count == 360
    assert 0 < result.wrong < 60
    expected = (
        f"{100 * result.wrong / 360:.2f} % test error",
        "360 pictures, each counted once",
        f"{result.wrong} of 360 pictures are wrong",
        "6,642,506",
        "6.64 M",
        "17 min 14 s",
        "1,453",
        "5,211 images/s",
        "2.1 % of the training time",
        "best on validation, epoch 31",
        "cardinet train resnext29_8x64d --epochs 40 --seed 1 --set cardinality=8",
        'id = "resnext29_8x64d"',
        "nothing was selected on them",
        "AMD EPYC 7B13",
        "(0 of 200)",
    )
    assert [e for e in expected if e not in text] == []


def test_texts_of_the_user_are_escaped() -> None:
    bad = "<img src=x onerror=alert(1)>"
    run = made_up(5, 200, 0.1, NASTY)
    mistakes = tuple(replace(m, name=bad) for m in run.mistakes)
    keys = ("network", "name", "run", "data", "command", "created", "version", "status", "recipe")
    texts: dict[str, Any] = dict.fromkeys(keys, bad)
    facts = {bad: bad}
    samples = tuple(replace(s, name=bad, label=bad) for s in run.samples)
    found = tuple(replace(f, kind=bad, examples=(bad,)) for f in run.found)
    more: Any = {"versions": facts, "hardware": facts, "samples": samples, "found": found, "augmentation": bad}
    page = Page(render(replace(run, mistakes=mistakes, warnings=(bad,), **more, **texts)))
    assert "script" not in page.tags
    assert page.tags.count("img") == len(mistakes) + len(samples)
    assert all(name in page.text for name in NASTY)
    assert page.text.count(bad) >= 10
    rows = ({"kind": "evaluation", "split": bad, "epoch": 1.0, "loss": 1.0, "error": 0.5}, *run.history)
    strange = replace(run, history=rows, settings={bad: bad}, **texts)
    assert "img" not in Page(comparison([strange, replace(strange, settings={})])).tags
    assert Page(render(strange)).tags.count("img") == len(mistakes) + len(samples)


def test_hidden_signs_of_names_are_written_out() -> None:
    """What would turn the direction of the page, break a line or speak to a terminal is shown as a code."""
    bad, shown = "a\x1b[31m\u202eb\nc\u2028d", r"a\x1b[31m\u202eb\x0ac\u2028d"
    run = made_up(5, 200, 0.1, (bad, "b", "c", "d", "e"))
    rows = ({"kind": "evaluation", "split": bad, "epoch": 1.0, "loss": 1.0, "error": 0.5}, *run.history)
    facts, mistakes = {bad: bad}, tuple(replace(m, name=bad) for m in run.mistakes)
    samples = tuple(replace(s, name=bad, label=bad) for s in run.samples)
    recipe = 'name = "a\x1b\u202e"'
    texts: dict[str, Any] = {"network": bad, "run": bad, "data": bad, "command": bad, "recipe": recipe}
    more: Any = {"versions": facts, "hardware": facts, "settings": facts, "samples": samples, "history": rows}
    strange = replace(run, mistakes=mistakes, warnings=(bad,), **more, **texts)
    for page in (render(strange), comparison([strange, replace(strange, settings={})])):
        assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", page) == []
        assert shown in Page(page).text
    page = render(strange)
    assert page.count(shown) > 10
    assert r"a\x1b\u202e" in Page(page).text


def test_mistakes_are_shown_as_pictures(pages: dict[str, str]) -> None:
    page = Page(pages["digits"])
    pictures = [values for tag, values in page.attributes if tag == "img"]
    run = digits()
    assert isinstance(run.result, Outcome)
    shown = [m for group in by_confusion(run.mistakes, run.result.confusion) for m in group.mistakes]
    assert len(pictures) == len(shown) == len(run.mistakes) == 24
    for values, mistake in zip(pictures, shown, strict=True):
        assert (values["width"], values["height"]) == ("144", "144")
        assert base64.b64decode(values["src"].partition(",")[2]) == mistake.png
        assert values["class"] == "pixels"
        assert f"a picture of {mistake.truth}, taken for {mistake.predicted}" in values["alt"]
        assert f"{100 * mistake.confidence:.1f} %" in page.text


def test_mistakes_stand_with_their_confusion() -> None:
    run = made_up(5, 734, 0.2, FLOWERS)
    assert isinstance(run.result, Outcome)
    groups = by_confusion((*run.mistakes, *run.mistakes), run.result.confusion)
    assert [group.count for group in groups] == sorted((group.count for group in groups), reverse=True)
    assert sum(len(group.mistakes) for group in groups) == 2 * len(run.mistakes)
    page = words(render(run))
    for group in groups:
        assert group.count == run.result.confusion[group.truth, group.predicted] > 0
        count = f"{group.count}\u00d7" if group.count > 1 else ""
        assert f"{FLOWERS[group.truth]} taken for {FLOWERS[group.predicted]} {count}".strip() in page


def test_the_pictures_of_a_run(pages: dict[str, str]) -> None:
    text = words(pages["flowers"])
    run = CASES["flowers"]()
    assert isinstance(run.result, Outcome)
    for name, row in zip(FLOWERS, run.result.confusion.sum(1), strict=True):
        assert f"{name} {40 + 7 * FLOWERS.index(name)} {row}" in text
    assert f"All {run.examined:,} pictures were decoded before the run. The problems found in them" in text
    assert "truncated 2 pictures, left out train/a/1.jpg: the file ends early" in text
    assert "rotated 31 pictures the first 1" in text
    assert "The first 9 pictures of the first batch, as the network sees them: mirrored with probability 0.5." in text
    assert "Pictures of the 25 smallest of 1,000 classes" in words(pages["thousand"])
    assert "<h2>Data</h2>" in pages["flowers"]
    assert "<h2>Data</h2>" not in pages["digits"]
    assert "no problem was found" in words(render(replace(run, found=())))
    assert "were all decoded into memory" in words(render(replace(run, examined=0)))


def test_augmentation_in_words() -> None:
    idle = {"PadCrop": PadCrop(pad=0), "Flip": Flip(probability=0), "ColorJitter": ColorJitter(hue=0)}
    assert augmentation({}) == augmentation(idle) == ""
    words = "a crop of 8 % to 100 % of its area; mirrored with probability 0.5; brightness, hue varied"
    jitter = ColorJitter(brightness=0.4, hue=0.1)
    found = augmentation({"ColorJitter": jitter, "Flip": Flip(), "ResizedCrop": ResizedCrop(area=(0.08, 1.0))})
    assert found.replace("\u00a0", " ") == words
    assert augmentation({"PadCrop": PadCrop(pad=1)}).replace("\u00a0", " ") == "shifted by up to 1 pixel"
    often = RandAugment(num_ops=1, magnitude_std=1.5, probability=0.5)
    said = "1 drawn operation of magnitude about 9 of 30, each with probability 0.5 (RandAugment)"
    assert augmentation({"RandAugment": often}) == said


def test_the_means_of_the_classes_stand_alone(pages: dict[str, str]) -> None:
    run = digits().result
    assert run is not None
    text = words(pages["digits"])
    assert re.search(rf"All {run.count} {run.wrong} Class mean \d", text)


def test_what_scrolls_says_so(pages: dict[str, str]) -> None:
    for html in (*pages.values(), compared()):
        assert html.count('<div class="scroll"') == html.count("scroll sideways for more")
        assert html.count("<table") <= html.count('<div class="scroll"') + html.count("<details>")
    assert pages["digits"].count('<div class="scroll"') == 3


def test_no_mistake(pages: dict[str, str]) -> None:
    text = Page(pages["perfect"]).text
    assert "0 % test error" in text
    assert "None. All 360 pictures of the test data were recognised." in text
    assert "0 % to 1.06 %" in text


def test_runs_that_are_not_finished(pages: dict[str, str]) -> None:
    text = Page(pages["unfinished"]).text
    assert "Stopped at step 150 of 8,000" in text
    assert "There is no evaluation yet. The last training window, at step 150, had a loss of" in text
    assert "Mistakes" not in text
    assert "No metrics were written either." in Page(pages["empty"]).text
    late = Page(pages["stopped late"]).text
    assert "validation error" in late
    assert "400 of 1,000 pictures, each counted once" in late
    assert "Stopped at step 4,000 of 8,000. The numbers are those of the run so far." in late


def test_matrix_or_pairs(pages: dict[str, str]) -> None:
    small, large = Page(pages["animals"]), Page(pages["hundred"])
    cells = [v for tag, v in small.attributes if tag == "td" and "--s" in v.get("style", "")]
    run = CASES["animals"]().result
    assert isinstance(run, Outcome)
    assert len(cells) == np.count_nonzero(run.confusion)
    assert not any("--s" in v.get("style", "") for _, v in large.attributes)
    assert "Most frequent confusions" in large.text
    assert "The 25 hardest of 100 classes" in large.text
    assert "The 5 easiest" in large.text
    assert all(name in large.text for name in ("class 000", "class 057", "class 099"))
    assert "All 100 classes" in large.text


def test_best_epoch_is_marked(pages: dict[str, str]) -> None:
    chosen = [row for row in digits().history if row.get("best")][-1]
    assert f"best, epoch {chosen['epoch']:g}: {100 * chosen['error']:.2f} %" in Page(pages["digits"]).text
    assert pages["digits"].count('class="ring"') == 2


def test_missing_and_non_finite_metrics() -> None:
    rows = (
        {"kind": "train", "step": 1, "epoch": 0.5, "loss": float("nan"), "error": None, "lr": 0.1},
        {"kind": "train", "step": 2, "epoch": 1.0, "loss": float("inf"), "error": 0.0, "lr": 0.1},
        {"kind": "evaluation", "split": "validation", "step": 2, "epoch": 1, "loss": None, "error": 0.0, "best": True},
        {"kind": "another"},
    )
    page = Page(render(content(history=rows)))
    assert "best, epoch 1: 0 %" in page.text


def test_comparison() -> None:
    page = Page(compared())
    assert "3 runs" in page.text
    assert "no evaluation yet" in page.text
    assert "ResNet-50" in page.text
    assert page.tags.count("svg") == 5
    with pytest.raises(ValueError, match="at least one run"):
        comparison([])


def test_settings_that_differ() -> None:
    one, two, three = (
        {"lr": "0.1", "seed": "0"},
        {"lr": "0.2", "seed": "0", "clip": "1.0"},
        {"lr": "0.1", "seed": "0"},
    )
    assert [(d.name, d.values) for d in differences([one, two, three])] == [
        ("lr", ("0.1", "0.2", "0.1")),
        ("clip", ("\u2013", "1.0", "\u2013")),
    ]
    page = words(comparison([content(settings=one, run="a"), content(settings=two, run="b")]))
    assert "lr 0.1 0.2" in page
    assert "seed" not in page.partition("Settings that differ")[2].partition("The runs")[0]
    assert "the runs have the same settings" in words(comparison([content(settings=one), content(settings=three)]))
    assert {
        name: as_text(value) for name, value in flat({"a": {"b": 1, "c": None, "d": {"e": [1, True]}}, "f": "x"})
    } == {
        "a.b": "1",
        "a.d.e": "1, true",
        "f": "x",
    }


def test_two_runs_of_one_network_are_told_apart() -> None:
    first, second = content(run="a-1"), content(run="a-2")
    text = Page(comparison([first, second])).text
    assert "a-1" in text
    assert "a-2" in text
    assert "2. a-1" in Page(comparison([first, first])).text


def test_contradictions_are_refused() -> None:
    truth = np.arange(10) % 5
    fine = outcome(truth, truth, 5)
    with pytest.raises(ValueError, match="holds 10 pictures, 0 wrong; the outcome says 10, 1 wrong"):
        replace(fine, wrong=1)
    with pytest.raises(ValueError, match="5 by 4"):
        replace(fine, confusion=fine.confusion[:, :4])
    with pytest.raises(ValueError, match="10 classes, but a confusion matrix of 5"):
        content(result=fine)
    with pytest.raises(ValueError, match="outside 0 to 4"):
        replace(content(classes=FLOWERS, result=fine), mistakes=(replace(digits().mistakes[0], truth=7),))


def test_render_is_a_pure_function() -> None:
    run: ReportContent = digits()
    assert render(run) == render(run)
