"""Heat maps of answers: every value is a cell with its text, and the scale has both ends."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest

from cardinet.explain.figures import HeatMap
from cardinet.report.curves import LETTER
from cardinet.report.explain_page import figure_html
from cardinet.report.figures import ENLARGED, SHADES, WIDEST_CELL, draw_heat_map, is_wide
from cardinet.report.names_below import names_below


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
    assert texts[-2:] == ["0.1", "0.5"]


def test_a_scale_can_have_fixed_ends() -> None:
    svg = str(draw_heat_map(HeatMap("t", ["a"], ["x", "y"], [[0.25, 0.5]], ends=(0.0, 1.0))))
    assert [shade for _, shade in shades(svg)[:2]] == pytest.approx([0.25, 0.5])
    assert {colour for colour, _ in shades(svg)} == {"s1"}
    assert [text.text for text in ET.fromstring(svg).iter("text")][-2:] == ["0", "1"]


def test_values_around_a_middle_have_two_colours_and_one_reach() -> None:
    svg = str(draw_heat_map(HeatMap("t", ["a"], ["x", "y"], [[0.9, 1.4]], middle=1.0)))
    cells = shades(svg)
    assert [colour for colour, _ in cells] == ["s2", "s1", *["s2"] * 3, *["s1"] * 4]
    assert [shade for _, shade in cells[:2]] == pytest.approx([0.25, 1], abs=1e-3)
    assert [text.text for text in ET.fromstring(svg).iter("text")][-2:] == ["0.6", "1.4"]


def test_maps_with_many_columns_take_the_whole_page() -> None:
    few, many = (HeatMap("t", ["a"], [str(i) for i in range(n)], [[0.5] * n]) for n in (9, 60))
    assert not is_wide(few)
    assert is_wide(many)
    assert 'class="answer"' in figure_html(few)
    assert 'class="answer wide"' in figure_html(many)
    assert ("scroll sideways" in figure_html(few), "scroll sideways" in figure_html(many)) == (False, True)
    for figure in (few, many):
        svg = ET.fromstring(str(draw_heat_map(figure)))
        width = float(svg.attrib["viewBox"].split()[2])
        assert max(float(cell.attrib["x"]) + float(cell.attrib["width"]) for cell in svg.iter("rect")) <= width


@pytest.mark.parametrize("columns", [1, 3, 8, 20, 60])
def test_a_map_is_as_large_as_its_cells_need(columns: int) -> None:
    """Few columns are not spread over the page: no cell is larger than the largest, and nothing is cut."""
    svg = ET.fromstring(str(draw_heat_map(HeatMap("t", ["a"], [str(i) for i in range(columns)], [[0.5] * columns]))))
    cells = [cell for cell in svg.iter("rect") if len(cell)]
    assert len(cells) == columns
    assert max(float(cell.attrib["width"]) for cell in cells) <= WIDEST_CELL
    width = float(svg.attrib["viewBox"].split()[2])
    assert f"max-width:{ENLARGED * width:.0f}px" in svg.attrib["style"]
    ends = [float(text.attrib["x"]) + LETTER * len(text.text or "") for text in svg.iter("text")]
    assert max(ends) <= width + LETTER


CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def test_names_without_room_are_slanted_and_whole() -> None:
    svg = ET.fromstring(str(draw_heat_map(HeatMap("t", ["a"], CLASSES, [[0.1] * 10]))))
    names = [text for text in svg.iter("text") if "transform" in text.attrib]
    assert [text.text for text in names] == list(CLASSES)
    scale = float(svg.findall("g")[-1].attrib["transform"].split()[1].rstrip(")"))
    for name, text in zip(CLASSES, names, strict=True):
        across, down = (0.9 * LETTER * len(name) * part for part in (0.5, 3**0.5 / 2))
        assert float(text.attrib["x"]) - across >= 0, f"{name} is cut at the left"
        assert float(text.attrib["y"]) + down <= scale, f"{name} meets the scale"


@pytest.mark.parametrize(
    ("names", "slot", "drawn"),
    [
        (("0", "1", "2"), 40, "level, all"),
        ([str(i) for i in range(37)], 11, "level, every 3"),
        ([f"{i}\u00a0%" for i in (7, 13, 20, 27, 33, 40)], 27, "level, every 2"),
        (("12", "13", "8"), 18, "level, all"),
        (("112", "113", "108"), 12, "slanted"),
        (CLASSES, 32, "slanted"),
        (("a", "b"), 32, "level, all"),
        (["layer1.0.conv1"] * 200, 2, "level, every 54"),
    ],
)
def test_which_names_are_drawn(names: Sequence[str], slot: float, drawn: str) -> None:
    found = names_below(names, slot)
    every = "all" if found.every == 1 else f"every {found.every}"
    assert ("slanted" if found.slanted else f"level, {every}") == drawn
    assert len(found.draw(0, 0)) == (len(names) if found.slanted else -(-len(names) // found.every))


def test_an_empty_map_is_drawn() -> None:
    ET.fromstring(str(draw_heat_map(HeatMap("t", [], [], []))))
