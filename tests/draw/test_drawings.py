"""Drawings of all networks: nothing overlaps or leaves the view, and what is drawn is in the built network."""

from __future__ import annotations

import functools
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import ImageFont
from torch import nn

from cardinet.build.builder import build
from cardinet.draw.figure import network_drawing, network_svg, shared_out
from cardinet.draw.flow import SUM, Chain, Fork, arranged, box, chain
from cardinet.draw.kinds import KINDS, plan_of
from cardinet.draw.layout import placed
from cardinet.draw.scene import Edge
from cardinet.draw.shapes import Drawing, Line, Rectangle, Text
from cardinet.draw.svg import to_svg
from cardinet.draw.text_size import balanced, wrapped
from cardinet.measure.counts import Counts, Stage, count
from cardinet.networks.part import Part, part
from cardinet.networks.registry import NETWORKS, find
from cardinet.report.model_drawing import model_svg
from cardinet.report.model_facts import model_facts

BEHIND = ("panel", "tint")
"""Rectangles that stand behind others."""

EACH_KIND = (
    "resnext11_8x16d_digits", "resnet18", "seresnet18", "sknet29_cifar", "resnest14d", "ror3_56", "preact110_cifar",
    "multiresnet26_w10_k2", "repvgg_a0", "densenet_40_12", "densenet121", "fractalnet20", "highway19_cifar10",
    "fusenet_fuse3_26", "dfn_il1", "dfn_mr1", "dfn_mr_imagenet", "inception_v3", "inception_resnet_v1", "googlenet",
    "vgg16", "alexnet_2012",
)  # fmt: skip
"""At least one network of every kind of description, small ones where there is a choice."""


def wide_counts(spec: Any) -> Counts:
    """Counts that need more room than those of any network, without a pass."""
    plan = plan_of(spec)
    assert plan is not None
    stages = tuple(Stage(one.first, (2048, 112, 112), 10**9, 10**11, 10**8) for one in plan.stages)
    return Counts((spec.in_channels, 416, 416), 10**9, 10**12, 10**9, stages)


@functools.cache
def drawn(id: str) -> Drawing:
    return network_drawing(NETWORKS[id].spec, wide_counts(NETWORKS[id].spec), id)


def meet(a: Rectangle, b: Rectangle) -> bool:
    """Whether two rectangles have more than a border in common."""
    edge = 0.01
    return a.left < b.right - edge and b.left < a.right - edge and a.top < b.bottom - edge and b.top < a.bottom - edge


def within(a: Rectangle, b: Rectangle) -> bool:
    return b.left <= a.left and a.right <= b.right and b.top <= a.top and a.bottom <= b.bottom


def test_all_networks_are_found_and_every_kind_has_a_drawing() -> None:
    assert len(NETWORKS) == 176
    assert {type(row.spec) for row in NETWORKS.values()} == set(KINDS)
    assert {type(NETWORKS[id].spec) for id in EACH_KIND} == set(KINDS)


@pytest.mark.parametrize("id", NETWORKS)
def test_nothing_overlaps_or_leaves_the_view(id: str) -> None:
    drawing = drawn(id)
    view = Rectangle("", 0, 0, drawing.width, drawing.height)
    texts = [shape.frame for shape in drawing.shapes if isinstance(shape, Text)]
    boxes = [shape for shape in drawing.shapes if isinstance(shape, Rectangle)]
    solid = [shape for shape in boxes if shape.look not in BEHIND]
    panels = [shape for shape in boxes if shape.look == "panel"]
    assert len(texts) >= 20
    for frame in (*texts, *boxes):
        assert within(frame, view), frame
    for alike in (texts, solid, panels):
        for one, two in itertools.combinations(alike, 2):
            assert not meet(one, two), (one, two)
    for text in texts:
        for around in (*solid, *panels):
            assert within(text, around) or not meet(text, around), (text, around)
    check_lines(drawing, [*texts, *solid])


def check_lines(drawing: Drawing, frames: list[Rectangle]) -> None:
    """No line runs through a text or a box. The lines that point from a stage to a panel are not level."""
    for line in drawing.shapes:
        if not isinstance(line, Line) or line.look == "leader":
            continue
        (x0, y0), (x1, y1) = line.points
        assert x0 == x1 or y0 == y1
        room = Rectangle("", min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))
        for frame in frames:
            inner = Rectangle("", frame.left + 0.5, frame.top + 0.5, frame.width - 1, frame.height - 1)
            crosses = (
                room.left <= inner.right and inner.left <= room.right
                and room.top <= inner.bottom and inner.top <= room.bottom
            )  # fmt: skip
            assert not crosses, (line, frame)


def test_no_drawing_is_too_wide_or_too_high_for_a_page() -> None:
    ratios = {id: drawn(id).width / drawn(id).height for id in NETWORKS}
    assert len(ratios) == 176
    assert min(ratios.values()) > 0.8
    assert max(ratios.values()) < 2.8


def test_panels_that_find_no_room_beside_the_overview_stand_below_it() -> None:
    """Merge-and-run: two wide panels below, instead of a row that leaves half of the figure empty."""
    shapes = drawn("dfn_mr1").shapes
    panels = [shape for shape in shapes if isinstance(shape, Rectangle) and shape.look == "panel"]
    stages = [shape for shape in shapes if isinstance(shape, Rectangle) and shape.look == "stage"]
    assert len(panels) == 3
    assert panels[0].left > max(stage.right for stage in stages)
    assert panels[1].left == pytest.approx(min(stage.left for stage in stages))
    assert panels[1].top > max(*(stage.bottom for stage in stages), panels[0].bottom)
    assert panels[2].top == panels[1].top


def test_no_word_of_a_sentence_stands_alone() -> None:
    text = "All units but the first of each stage are like it."
    assert wrapped(text, 11, 260)[-1] == "it."
    assert balanced(text, 11, 260) == ["All units but the first of", "each stage are like it."]
    for room in (1, 60, 120, 1000):
        lines = balanced(text, 11, room)
        assert " ".join(lines) == text
        assert len(lines) == len(wrapped(text, 11, room))


def test_texts_need_no_more_room_than_is_kept_for_them() -> None:
    """Measured with the font that Pillow has in itself, which is about as wide as Helvetica."""
    texts = {(shape.text, shape.size) for id in NETWORKS for shape in drawn(id).shapes if isinstance(shape, Text)}
    assert len(texts) > 500
    for text, size in texts:
        known = re.sub(r"[^ -~]", "+", text)  # that font lacks some signs
        measured = ImageFont.load_default(size).getlength(known)
        assert measured <= Text(text, (0, 0), size).frame.width, text


@pytest.mark.parametrize("id", ["resnext50_32x4d", "densenet121", "dfn_mr1", "inception_v3"])
def test_the_file_is_whole_valid_and_always_the_same(id: str) -> None:
    text = to_svg(drawn(id))
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{space}title") == id
    assert [float(n) for n in (root.get("viewBox") or "").split()[2:]] == [
        float(root.get(k) or 0) for k in ("width", "height")
    ]
    assert len(root.findall(f"{space}text")) == sum(isinstance(shape, Text) for shape in drawn(id).shapes)
    assert not re.search(r"href|url\(|@import|<style|<script|nan|inf\b", text)
    spec = NETWORKS[id].spec
    assert network_svg(spec, wide_counts(spec), id) == text


def test_words_of_the_user_are_escaped() -> None:
    spec = NETWORKS["resnet18"].spec
    text = network_svg(spec, wide_counts(spec), "a <b> & c", ['with x="<&>"'])
    assert ET.fromstring(text).findtext("{http://www.w3.org/2000/svg}title") == "a <b> & c"


@functools.cache
def built(id: str) -> tuple[nn.Module, Counts]:
    row = NETWORKS[id]
    network = build(row.spec, device="meta")
    return network, count(network, row.input_size, row.spec.in_channels)


@pytest.mark.parametrize("id", EACH_KIND)
def test_counts_of_the_stages_are_those_of_the_network(id: str) -> None:
    _, counts = built(id)
    plan = plan_of(NETWORKS[id].spec)
    assert plan is not None
    shared = shared_out(plan, counts.stages)
    assert all(shared), "every stage has a child"
    assert [stage.first for stage in plan.stages] == [children[0].name for children in shared]
    assert sum(child.params for children in shared for child in children) == counts.params
    assert sum(child.macs for children in shared for child in children) == counts.macs
    texts = [shape.text for shape in network_drawing(NETWORKS[id].spec, counts, id).shapes if isinstance(shape, Text)]
    for children in shared:
        assert " \u00d7 ".join(map(str, children[-1].output)) in texts
        assert f"{sum(child.params for child in children):,}" in texts
    assert {f"{counts.params:,}", f"{counts.macs:,}"} <= set(texts)


CONVOLUTION = re.compile(r"(?:(\d+), )?(\d+)\u00d7(\d+)(?: /(\d))?(?: V)?, (\d+)(?:, group = (\d+))?(?:, \D.*)?")


def drawn_convolutions(id: str) -> Iterator[tuple[str, tuple[int | None, ...]]]:
    """The convolutions in the enlarged parts: channels in, kernel, stride, channels out, groups."""
    plan = plan_of(NETWORKS[id].spec)
    assert plan is not None
    for panel in plan.panels:
        if panel.title.startswith("The same with") or "in deployment" in panel.title:
            continue  # another form of the network
        for node in panel.grid.nodes:
            found = CONVOLUTION.fullmatch(node.lines[0]) if node.look == "conv" else None
            if found:
                w_in, rows, columns, stride, w_out, groups = found.groups()
                yield node.lines[0], (
                    None if w_in is None else int(w_in), int(rows), int(columns), int(stride or 1), int(w_out),
                    int(groups or 1),
                )  # fmt: skip


@pytest.mark.parametrize("id", EACH_KIND)
def test_every_drawn_convolution_is_in_the_network(id: str) -> None:
    network, _ = built(id)
    found = {
        (w_in, *layer.kernel_size, layer.stride[0], layer.out_channels, layer.groups)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
        for w_in in (layer.in_channels, None)
    }
    strided = id.startswith("repvgg")  # its 1x1 reads every second pixel instead
    convolutions = list(drawn_convolutions(id))
    assert convolutions
    for text, convolution in convolutions:
        plain = (*convolution[:3], 1, *convolution[4:])
        assert convolution in found or (strided and convolution[1] == 1 and plain in found), text


def panel_texts(id: str, title: str, **delta: Any) -> list[str]:
    plan = plan_of(find(id).spec.but(**delta))
    assert plan is not None
    (panel,) = [panel for panel in plan.panels if panel.title == title]
    return [line for node in panel.grid.nodes for line in node.lines]


def test_resnext_is_drawn_as_in_its_paper() -> None:
    """Figures 1 and 3 of the paper (arXiv 1611.05431)."""
    assert panel_texts("resnext50_32x4d", "Unit 2 of stage 1") == [
        "256-d in", "256, 1\u00d71, 128", "BN, ReLU", "128, 3\u00d73, 128, group = 32", "BN, ReLU",
        "128, 1\u00d71, 256", "BN", "+", "ReLU", "256-d out",
    ]  # fmt: skip
    paths = panel_texts("resnext50_32x4d", "The same with its 32 transforms")
    assert [paths.count(text) for text in ("256, 1\u00d71, 4", "4, 3\u00d73, 4", "4, 1\u00d71, 256")] == [3, 3, 3]
    assert "32 paths" in paths
    concatenated = panel_texts("resnext50_32x4d", "Unit 2 of stage 1", form="b")
    assert concatenated[concatenated.index("concatenation") :][:3] == ["concatenation", "128, 1\u00d71, 256", "BN"]


@pytest.mark.parametrize(
    ("order", "texts"),
    [
        ("a", ["C", "BN, ReLU", "C", "BN", "+", "ReLU"]),
        ("b", ["C", "BN, ReLU", "C", "+", "BN, ReLU"]),
        ("c", ["C", "BN, ReLU", "C", "BN, ReLU", "+"]),
        ("d", ["ReLU", "C", "BN, ReLU", "C", "BN", "+"]),
        ("e", ["BN, ReLU", "C", "BN, ReLU", "C", "+"]),
    ],
)
def test_orders_are_those_of_the_paper(order: str, texts: list[str]) -> None:
    """Figure 4 of He et al. 2016 (arXiv 1603.05027)."""
    drawn = panel_texts("resnet20_cifar", "Unit 2 of stage 1", order=order)
    assert ["C" if "\u00d7" in text else text for text in drawn[1:-1]] == texts


def test_parts_of_a_unit_are_drawn() -> None:
    gated = panel_texts("resnet50", "Unit 2 of stage 1", gate="SqueezeExcite()")
    assert [text for text in gated if "fc" in text] == ["fc 256 \u2192 16, ReLU", "fc 16 \u2192 256, sigmoid"]
    assert "\u00d7 (1 \u2212 g)" in panel_texts("resnet50", "Unit 2 of stage 1", carry="ExclusiveGate()")
    assert "stochastic depth: open with" in panel_texts("resnet50", "Unit 2 of stage 1", merge="StochasticDepth()")
    assert "+" not in panel_texts("resnet50", "Unit 2 of stage 1", kind="none")
    assert "+ 16 channels of 0" in panel_texts("resnet20_cifar", "Unit 1 of stage 2")


def test_dense_block_has_a_line_from_every_map_to_every_later_layer() -> None:
    plan = plan_of(NETWORKS["densenet121"].spec.but(depths=(4, 2)))
    assert plan is not None
    edges = {(edge.start, edge.end) for edge in plan.panels[0].grid.edges}
    assert edges == set(itertools.combinations(range(6), 2))  # x0, four layers, the concatenation


def test_fractal_block_has_the_joins_of_the_paper() -> None:
    """Figure 1 of Larsson et al. 2016 with three columns: 1 + 2 + 4 units, joins of 2 and of 3 columns."""
    plan = plan_of(NETWORKS["fractalnet20"].spec)
    assert plan is not None
    grid = plan.panels[0].grid
    joins = [i for i, node in enumerate(grid.nodes) if node.lines == ("join: mean",)]
    assert sum(node.look == "conv" for node in grid.nodes) == 7
    assert [sum(edge.end == join for edge in grid.edges) for join in joins] == [2, 3]


def test_every_sum_has_at_least_two_terms() -> None:
    sums = 0
    for id, row in NETWORKS.items():
        plan = plan_of(row.spec)
        assert plan is not None
        for panel in plan.panels:
            for number, node in enumerate(panel.grid.nodes):
                if node.look == "sum" or node.lines[0].startswith(("join", "concatenation", "\u00bd", "mean of both")):
                    sums += 1
                    assert sum(edge.end == number for edge in panel.grid.edges) >= 2, (id, panel.title)
    assert sums > 400


def test_lines_end_and_begin_where_the_network_has_them() -> None:
    """Every box but the first maps is read from, and every box but the last maps is read."""
    for id, row in NETWORKS.items():
        plan = plan_of(row.spec)
        assert plan is not None
        for panel in plan.panels:
            ends, starts = ({getattr(edge, side) for edge in panel.grid.edges} for side in ("end", "start"))
            for number, node in enumerate(panel.grid.nodes):
                if node.look not in ("dots", "map", "bar") and len(panel.grid.nodes) > 3:
                    assert number in ends & starts, (id, panel.title, node.lines)


def test_an_identity_has_a_column_of_its_own() -> None:
    grid = arranged(
        chain(box("map", "in"), Fork((box("conv", "T"), Chain()), SUM, axis=0, skips=(1,)), box("map", "out"))
    )
    assert [(node.lines[0], node.column, node.row) for node in grid.nodes] == [
        ("in", 0, 0), ("T", 0, 1), ("+", 0, 2), ("out", 0, 3),
    ]  # fmt: skip
    assert Edge(0, 2, "early", lane=1, side=True, skip=True) in grid.edges
    assert placed(grid).width > 0


@part
class Elsewhere(Part):
    """A gate from another package."""

    MODULE = "lab.gates:Elsewhere"


def test_a_part_from_elsewhere_is_drawn_by_its_name() -> None:
    assert "Elsewhere" in panel_texts("resnet18", "Unit 2 of stage 1", gate=Elsewhere())


def test_a_description_from_elsewhere_is_drawn_by_its_counts() -> None:
    counts = wide_counts(NETWORKS["resnet18"].spec)
    texts = [shape.text for shape in network_drawing(object(), counts, "mine").shapes if isinstance(shape, Text)]
    assert {"conv1", "layer1", "layer4", "avgpool"} <= set(texts)


def test_another_form_is_drawn_as_it_is_counted() -> None:
    deployed = model_svg(model_facts("repvgg_a0"))
    assert "8,309,384" in deployed
    assert "training form: 9,108,968 parameters" in deployed
    pruned = model_svg(model_facts("resrep_resnet50"))
    assert "This network was rewritten (fold, narrow)." in pruned


def test_changed_settings_stand_below_the_title() -> None:
    assert "with cardinality=8" in model_svg(model_facts("resnet50", ["cardinality=8"]), ["cardinality=8"])


@pytest.mark.long
@pytest.mark.parametrize("id", NETWORKS)
def test_counts_of_every_network_fit_its_drawing(id: str) -> None:
    test_counts_of_the_stages_are_those_of_the_network(id)
