"""The page of an answer: one well-formed document with all of its sections, in which names of classes are only text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cardinet.data.data_settings import DataSettings
from cardinet.data.source import open_source
from cardinet.explain.figures import Bar, Bars, Chart, Line, Scatter, Table
from cardinet.explain.job import answer
from cardinet.explain.request import Request, resolve
from cardinet.report.explain_page import figure_html, page, setting_text, write_page
from cardinet.report.figures import SCALES, written
from explain.models import TINY, classifier

ASKED: dict[str, tuple[str, ...]] = {
    "paths": ("pictures=4", "draws=2"),
    "lesion": ("estimate=20", "draws=1", "counts=2", "pictures=20"),
    "attention": (),
    "gradients": ("pictures=4", "lines=1", "points=32", "depths=2"),
}
"""Questions with settings that make them quick."""

EVIL = "<script>alert(1)</script>&"
ALONE = {"meta", "link", "br", "img", "input", "hr"}


class Balance(HTMLParser):
    """Fails where a tag is closed that is not the last open one."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


@pytest.mark.parametrize("question", ASKED)
def test_pages_are_whole_and_escaped(question: str, tmp_path: Path) -> None:
    model = classifier(TINY.but(gate="SqueezeExcite(reduction=2)"))
    classes = (EVIL, *model.classes[1:])
    source = open_source("digits", DataSettings(limit=80))
    asked = resolve(
        Request(
            question=question,
            model=replace(model, classes=classes),
            data=replace(source, classes=classes),
            words=ASKED[question],
        )
    )
    found = answer(asked)
    html = page(asked, found)
    assert asked.subject.name == "Residual"
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert parser.headings == [
        *(section.title for section in found.sections),
        "What this does not say",
        "How it was made",
    ]
    assert "<script>alert" not in html
    assert ("&lt;script&gt;" in html) is (question == "attention")
    assert "http" not in html.replace("http://www.w3.org", "")
    write_page(asked, found, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == html


def test_number_of_questions() -> None:
    assert len(ASKED) == 4


def test_the_series_and_the_level_of_bars_are_named_below_them() -> None:
    bars = [Bar("layer1.0", 0.2), Bar("layer1.0", 0.1, series=1)]
    drawn = figure_html(Bars("Error", "unit", "error", bars, ("as is", "again"), format="percent", level=(0.05, EVIL)))
    html = str(drawn)
    inside, below = html.split("</svg>")
    assert (inside.count('class="fill s1"'), inside.count('class="fill s2"')) == (1, 1)
    assert '<span class="swatch s1"></span>as is' in below
    assert '<span class="swatch s2"></span>again' in below
    assert "&lt;script&gt;" in below
    assert EVIL not in html
    alone = str(figure_html(Bars("Share", "length", "share", bars[:1])))
    assert "legend" not in alone


def test_a_title_is_followed_by_what_it_does_not_say() -> None:
    named = str(figure_html(Chart("Norm of the gradient", "layer", "norm", [Line("a", [(0, 1.0)])])))
    assert 'class="note"' not in named
    scaled = str(figure_html(Chart("Norm", "layer", "norm", [Line("a", [(0, 1.0)])], note="n = 3", scale="log")))
    assert '<span class="note">logarithmic scale; n = 3</span>' in scaled
    unnamed = str(figure_html(Bars("Explained by class", "unit", "share explained", [Bar("a", 0.5)], note="n = 3")))
    assert '<span class="note">share explained; n = 3</span>' in unnamed
    sentence = str(figure_html(Bars("Reliability", "x", "accuracy", [Bar("a", 0.5)], note="The band is wide.")))
    assert '<span class="note">Accuracy. The band is wide.</span>' in sentence


@pytest.mark.parametrize(("name", "below"), [("layer1", False), ("at the temperature 2.38", True)])
def test_long_names_of_lines_stand_below_their_chart(name: str, below: bool) -> None:
    lines = [Line("as it is", [(0, 0.1), (1, 0.9)]), Line("none", []), Line(name, [(0, 0.2), (1, 0.8)])]
    inside, after = str(figure_html(Chart("t", "x", "t", lines))).split("</svg>")
    assert (name in after, name in inside) == (below, not below)
    assert ("swatch s3" in after, "none" in after) == (below, False)
    assert ('class="line s3"') in inside
    alone = str(figure_html(Chart("t", "x", "t", [lines[2]])))
    assert name not in alone


@pytest.mark.parametrize(
    ("columns", "wide"), [(("unit", "mean", "spread"), False), (("a long name of a column",) * 4, True)], ids=str
)
def test_a_narrow_table_leaves_room_beside_it(columns: tuple[str, ...], wide: bool) -> None:
    html = str(figure_html(Table("t", columns, [(0.5,) * len(columns)])))
    assert html.startswith(f'<div class="answer{" wide" if wide else ""}">')
    assert "wide" in str(figure_html(Table("t", ("a",), [(1,)], folded=True)))[:30]


def test_small_numbers_are_powers_of_ten_and_changes_have_a_sign() -> None:
    cells = [written(value, None) for value in (0.0000028, 0.00068, 0.0089, -0.00002, 0.0, 1234.5)]
    assert cells == [
        "2.8\u00d710\u207b\u2076",
        "6.8\u00d710\u207b\u2074",
        "0.008900",
        "-2\u00d710\u207b\u2075",
        "0",
        "1,234",
    ]
    assert written(-0.0111, "percent") == "-1.11\u00a0%"


def test_settings_are_written_as_users_write_them() -> None:
    values = [None, True, [1.0, 1.5, 2], "half", 3]
    assert [setting_text(value) for value in values] == ["none", "true", "1,1.5,2", "half", "3"]


def test_a_colour_that_comes_again_has_another_shape() -> None:
    groups = [(str(i), [(float(i), 0.0)]) for i in range(10)]
    html = str(figure_html(Scatter("t", groups)))
    assert re.findall(r'class="dot ([^"]*)"', html) == [
        *(f"s{(i + 1) % 8}" for i in range(8)),
        "open s1",
        "open s2",
    ]


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [], [-1.0, -1.0], [1e-12, 0.0]], ids=str)
def test_figures_of_few_or_equal_values_are_drawn(values: list[float]) -> None:
    """Such as the contributions of base networks that all change nothing."""
    points = [(float(i), value) for i, value in enumerate(values)]
    bars = Bars("t", "x", "y", [Bar(str(i), value, (value, value)) for i, value in points])
    html = str(figure_html(bars))
    assert html.count('class="fill') == len(values)
    assert html.count('class="grid"') >= 2
    for scale in SCALES:
        html = str(figure_html(Chart("t", "x", "y", [Line("a", points, dots=True)], scale=scale)))  # type: ignore[arg-type]
        assert html.count("<circle") == len(values)
    assert len(SCALES) == 3


@pytest.mark.parametrize(
    ("xs", "ticks"),
    [((1, 2), ["1", "2"]), ((1, 8), ["0", "2", "4", "6", "8"]), ((0, 0.5, 1), ["0", "0.2", "0.4", "0.6", "0.8", "1"])],
)
def test_an_axis_that_counts_has_whole_ticks(xs: tuple[float, ...], ticks: list[str]) -> None:
    html = str(figure_html(Chart("Spread", "unit", "spread", [Line("layer1", [(x, 0.1) for x in xs])])))
    assert re.findall(r'class="tick mid"[^>]*>([^<]*)<', html) == [*ticks, "unit"]
