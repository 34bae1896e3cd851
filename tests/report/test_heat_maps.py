"""Heat maps of answers: every value is a cell with its text, and the scale has both ends."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from cardinet.explain.figures import HeatMap
from cardinet.report.explain_page import figure_html
from cardinet.report.figures import SHADES, draw_heat_map, is_wide


def shades(svg: str) -> list[tuple[str, float]]:
    """The colour and the shade of every cell, those of the scale at the end."""
    found = re.findall(r'class="cell (s\d)"[^>]*--v:([0-9.]+)', svg)
    return [(colour, float(shade)) for colour, shade in found]


def test_values_are_shaded_from_the_lowest_to_the_highest() -> None:
    svg = str(draw_heat_map(HeatMap("t", ["a<b", "c"], ["x", "y"], [[0.1, None], [0.2, 0.5]])))
    root = ET.fromstring(svg)
    cells = shades(svg)
    assert [shade for _, shade in cells[:3]] == [0, pytest.approx(0.25, abs=1e-3), 1]
    assert {colour for colour, _ in cells} == {"s1"}
    assert [shade for _, shade in cells[3:]] == pytest.approx([k / (SHADES - 1) for k in range(SHADES)], abs=1e-3)
    assert [title.text for title in root.iter("title")] == ["a<b, x: 0.1000", "c, x: 0.2000", "c, y: 0.5000"]
    texts = [text.text for text in root.iter("text")]
    assert texts[-2:] == ["0.1000", "0.5000"]


def test_values_around_a_middle_have_two_colours_and_one_reach() -> None:
    svg = str(draw_heat_map(HeatMap("t", ["a"], ["x", "y"], [[0.9, 1.4]], middle=1.0)))
    cells = shades(svg)
    assert [colour for colour, _ in cells] == ["s2", "s1", *["s2"] * 3, *["s1"] * 4]
    assert [shade for _, shade in cells[:2]] == pytest.approx([0.25, 1], abs=1e-3)
    assert [text.text for text in ET.fromstring(svg).iter("text")][-2:] == ["0.6000", "1.400"]


def test_maps_with_many_columns_take_the_whole_page() -> None:
    few, many = (HeatMap("t", ["a"], [str(i) for i in range(n)], [[0.5] * n]) for n in (9, 60))
    assert not is_wide(few)
    assert is_wide(many)
    assert 'class="answer"' in figure_html(few)
    assert 'class="answer wide"' in figure_html(many)
    for figure in (few, many):
        svg = ET.fromstring(str(draw_heat_map(figure)))
        width = float(svg.attrib["viewBox"].split()[2])
        assert max(float(cell.attrib["x"]) + float(cell.attrib["width"]) for cell in svg.iter("rect")) <= width


def test_an_empty_map_is_drawn() -> None:
    ET.fromstring(str(draw_heat_map(HeatMap("t", [], [], []))))
