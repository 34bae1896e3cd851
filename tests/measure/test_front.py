"""Planning at a budget: limits as words, families by span or name, and the front, against a search through all."""

from __future__ import annotations

import itertools
import math
import statistics
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

import pytest

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.draw.shapes import Line, Rectangle, Text
from cardinet.measure import front as front_module
from cardinet.measure.budget import CAPACITIES, COSTS, capacities_of, limits_of
from cardinet.measure.counts import count_spec
from cardinet.measure.front import Candidate, Front, beats, front_of
from cardinet.measure.front_request import FrontRequest
from cardinet.measure.memory import evaluation_memory
from cardinet.measure.paths import count_paths, depth_of
from cardinet.measure.spanned import Span, cardinalities_of, factors_of, spanned
from cardinet.networks.registry import NETWORKS
from cardinet.report.front_drawing import front_drawing, front_svg, sentences

TINY = "resnext11_8x16d_digits"
SPAN = Span(depth=(1.0, 2.0), width=(0.5, 1.0, 1.5), cardinality=(1, 4, 8))


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("macs=4e9", 4e9),
        ("macs=4.1G", 4.1e9),
        ("params=25M", 25e6),
        ("params=.5B", 5e8),
        ("activations=10 k", 1e4),
        ("memory=500MB", 5e8),
        ("memory=123", 123),
        ("latency=20ms", 0.02),
        ("latency=1e1us", 1e-5),
    ],
)
def test_limits_as_words(word: str, value: float) -> None:
    assert limits_of([word]) == {word.partition("=")[0]: pytest.approx(value, rel=1e-12)}


@pytest.mark.parametrize("word", ["macs=0", "macs=-1", "macs=nan", "macs=1e999", "macs=4X", "latency=20", "memory=4G"])
def test_words_that_are_no_limit(word: str) -> None:
    kind = word.partition("=")[0]
    with pytest.raises(RequestError) as error:
        limits_of([word, "flops=3"])
    assert len(error.value.findings) == 2
    assert COSTS[kind].example in error.value.findings[0]
    assert limits_of([COSTS[kind].example])


def test_capacities_are_those_without_a_limit() -> None:
    assert capacities_of([], {"macs": 1}) == ("params", "depth")
    assert capacities_of([], {"params": 1, "latency": 1}) == ("macs", "depth")
    assert capacities_of(["depth", "depth"], {"macs": 1}) == ("depth",)
    with pytest.raises(RequestError, match="limits it too"):
        capacities_of(["macs"], {"macs": 1})


def test_numbers_as_words() -> None:
    assert factors_of("--depth", "0.5, 1,2,1") == (0.5, 1.0, 2.0)
    assert cardinalities_of("1, 2,2") == (1, 2)
    for text in ("", "0", "-1", "nan", "inf", "1,,2", "1000"):
        with pytest.raises(RequestError, match="give factors from 0"):
            factors_of("--width", text)


def test_variants_of_a_network() -> None:
    base = NETWORKS["resnext50_32x4d"].spec
    found = spanned(base, Span((0.5, 1.0), (1.0,), (32, 64, 7)))
    assert list(found) == [
        f"depths={depths} widths=64,128,256,512 C={groups}" for depths in ("2,2,3,2", "3,4,6,3") for groups in (32, 64)
    ]  # 7 groups do not divide the channels
    assert found["depths=3,4,6,3 widths=64,128,256,512 C=32"] == base
    wider = found["depths=3,4,6,3 widths=64,128,256,512 C=64"]
    assert [wider.transform.inner_width(width) for width in wider.widths] == [128, 256, 512, 1024]
    with pytest.raises(RequestError, match="does not divide"):
        spanned(base, Span((1.0,), (1.0,), (7,)))
    with pytest.raises(RequestError, match="These factors make 1,001 networks"):
        spanned(base, Span(tuple(float(i) for i in range(1, 1002))))


def request(limits: Mapping[str, float], **more: Any) -> FrontRequest:
    return FrontRequest(limits, like=TINY, span=SPAN, **more)


@pytest.fixture(scope="module")
def whole() -> Front:
    """The family without a limit that matters."""
    return front_of(request({"macs": 1e12}))


def test_all_variants_are_measured(whole: Front) -> None:
    specs = spanned(NETWORKS[TINY].spec, SPAN)
    measured = {name: one for one in (*whole.on, *whole.off) for name in one.names}
    assert set(measured) == set(specs)
    assert len(specs) == whole.compared == 18
    for name, spec in specs.items():
        counts = count_spec(spec, whole.input_size)
        one = measured[name]
        assert (one.params, one.macs, one.activations) == (counts.params, counts.macs, counts.activations)
        assert one.depth == 3 * sum(spec.depths) + 2


@pytest.mark.parametrize("kinds", [("params",), ("depth",), ("params", "depth"), ("activations", "params")])
def test_front_is_what_a_search_finds(whole: Front, kinds: tuple[str, ...]) -> None:
    limit = sorted(one.macs for one in (*whole.on, *whole.off))[12]
    found = front_of(request({"macs": limit}, capacities=kinds))
    within = [one for one in (*whole.on, *whole.off) if one.macs <= limit]
    assert len(found.on) + len(found.off) == len(within) == 13

    def worse(one: Candidate) -> bool:
        rivals = [other for other in within if other is not one and other.macs <= one.macs]
        rivals = [other for other in rivals if all(other.of(kind) >= one.of(kind) for kind in kinds)]
        return any(other.macs < one.macs or any(other.of(kind) > one.of(kind) for kind in kinds) for other in rivals)

    assert {one.names for one in found.on} == {one.names for one in within if not worse(one)}
    assert [one.macs for one in found.on] == sorted(one.macs for one in found.on)
    assert found.off or len(kinds) == 2


def test_two_costs() -> None:
    cheap, small, large = (
        Candidate((name,), p, m, 1, d) for name, p, m, d in [("a", 5, 1, 9), ("b", 4, 2, 9), ("c", 5, 2, 9)]
    )
    for one, other in itertools.permutations((cheap, small, large), 2):
        beaten = (one, other) in ((cheap, large), (small, large))
        assert beats(one, other, ("params", "macs"), ("depth",)) == beaten


def test_memory_is_that_of_a_pass(whole: Front) -> None:
    found = front_of(request({"memory": 1e12}, batch=3))
    specs = spanned(NETWORKS[TINY].spec, SPAN)
    for one in (*found.on, *found.off):
        network = build(specs[one.names[0]], device="meta")
        assert one.memory == evaluation_memory(network, found.input_size, 1, 3).of(3)
    assert found.on[0].memory is not None
    tight = front_of(request({"memory": found.on[0].memory}, batch=3))
    assert [one.names for one in tight.on] == [found.on[0].names]


def test_latency_is_measured_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "SECONDS", 0.0)
    found = front_of(request({"latency": 60.0, "macs": 1e6}, input_size=8))
    everyone = (*found.on, *found.off)
    assert everyone
    for one in everyone:
        assert len(one.times) == 5
        assert one.latency == statistics.median(one.times) / 1000 > 0
        assert one.macs <= 1e6
    document = found.to_document()["front"][0]["latency"]
    assert document["quartiles"][0] <= document["milliseconds"] <= document["quartiles"][1]
    assert document["rounds"] == 5
    assert any("median of 5 passes on a batch of 1" in text for text in sentences(found))


def test_families_by_name_and_pattern() -> None:
    found = front_of(FrontRequest({"params": 2e6}, families=("Highway", "resnet*0_cifar", "sd110_cifar")))
    names = [name for one in (*found.on, *found.off) for name in one.names]
    assert found.input_size == 32
    assert {"resnet110_cifar", "sd110_cifar", "resnet20_cifar"} <= set(names)
    assert any(set(one.names) == {"resnet110_cifar", "sd110_cifar"} for one in (*found.on, *found.off))
    assert not any("1202" in name for name in names)


def test_networks_for_other_pictures_are_left_out() -> None:
    found = front_of(FrontRequest({"params": 1e9}, families=("fractalnet20", "highway19_cifar10", "resnet18")))
    assert (found.input_size, found.compared, found.left_out) == (32, 2, 1)
    assert "Left out for pictures of another size: 1;" in " ".join(sentences(found))


def test_repvgg_is_counted_as_it_runs() -> None:
    (one,) = front_of(FrontRequest({"macs": 1e12}, families=("repvgg_a0",))).on
    assert (one.params, one.macs) == (8_309_384, 1_361_451_008)


def test_nothing_within_the_budget_names_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"None of the 18 networks is within the budget; depths=.* is the nearest"):
        front_of(request({"params": 10}))


def test_depth_is_that_of_the_longest_path() -> None:
    known = {
        "resnet50": 50,
        "resnext101_32x4d": 101,
        "densenet121": 121,
        "vgg16": 16,
        "fractalnet20": 21,
        "alexnet_owt": 8,
    }
    assert {id: depth_of(NETWORKS[id].spec.path_graph()) for id in known} == known
    for id in ("dfn_mr1", "inception_v3", "ror3_56", "repvgg_a0", "highway19_cifar10", "fusenet_fuse3_26"):
        graph = NETWORKS[id].spec.path_graph()
        assert depth_of(graph) == count_paths(graph, "all layers").longest


def test_drawing_of_a_front(whole: Front) -> None:
    drawing = front_drawing(whole)
    frames = [shape.frame for shape in drawing.shapes if isinstance(shape, Text)]
    for frame in frames:
        assert min(frame.left, frame.top) >= 0
        assert frame.right <= drawing.width
        assert frame.bottom <= drawing.height
    for one, two in itertools.combinations(frames, 2):
        apart = one.right <= two.left or two.right <= one.left or one.bottom <= two.top or two.bottom <= one.top
        assert apart, (one, two)
    texts = {shape.text for shape in drawing.shapes if isinstance(shape, Text)}
    assert {one.names[0] for one in whole.on} <= texts
    marks = [shape for shape in drawing.shapes if isinstance(shape, Rectangle) and shape.look in ("front", "dot")]
    assert len(marks) == 18
    assert (
        ET.fromstring(front_svg(whole)).findtext("{http://www.w3.org/2000/svg}title")
        == "Networks with MACs up to 1.00 T"
    )
    assert front_svg(whole) == front_svg(whole)


def test_steps_join_a_front_of_one_cost_and_one_capacity() -> None:
    found = front_of(request({"macs": 1e12}, capacities=("params",)))
    lines = [shape for shape in front_drawing(found).shapes if isinstance(shape, Line) and shape.look == "front"]
    assert len(lines) == 2 * (len(found.on) - 1) > 0


def test_document_has_what_was_compared(whole: Front) -> None:
    document = whole.to_document()
    assert document["budget"] == {"macs": 1e12}
    assert document["capacities"] == ["params", "depth"]
    assert len(document["front"]) + len(document["others"]) == 18
    assert set(document["front"][0]) == {"names", *CAPACITIES}
    assert math.isfinite(document["front"][0]["macs"])
