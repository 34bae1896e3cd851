"""The pages: well formed, self-contained, escaped, and complete for every kind of run."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from report_samples import CASES, FLOWERS, NASTY, content, digits, made_up, outcome, perfect, unfinished

from cardinet.report import ReportContent, comparison, render

VOID = {"meta", "link", "img", "br", "wbr", "hr"}
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
    texts = dict.fromkeys(keys, bad)
    facts = {bad: bad}
    page = Page(render(replace(run, mistakes=mistakes, warnings=(bad,), versions=facts, hardware=facts, **texts)))
    assert "script" not in page.tags
    assert page.tags.count("img") == len(mistakes)
    assert all(name in page.text for name in NASTY)
    assert page.text.count(bad) >= 10
    rows = ({"kind": "evaluation", "split": bad, "epoch": 1.0, "loss": 1.0, "error": 0.5}, *run.history)
    strange = replace(run, history=rows, **texts)
    assert "img" not in Page(comparison([strange, strange])).tags
    assert Page(render(strange)).tags.count("img") == len(mistakes)


def test_mistakes_are_shown_as_pictures(pages: dict[str, str]) -> None:
    page = Page(pages["digits"])
    pictures = [values for tag, values in page.attributes if tag == "img"]
    run = digits()
    assert len(pictures) == len(run.mistakes) == 24
    for values, mistake in zip(pictures, run.mistakes, strict=True):
        assert base64.b64decode(values["src"].partition(",")[2]) == mistake.png
        assert values["class"] == "pixels"
        assert f"a picture of {mistake.truth}, taken for {mistake.predicted}" in values["alt"]
        assert f"{100 * mistake.confidence:.1f} %" in page.text


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
    assert run is not None
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
    assert page.tags.count("svg") == 4
    with pytest.raises(ValueError, match="at least one run"):
        comparison([])


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
