"""Paths counted from descriptions, against every path listed, against the built network, and against the papers."""

from __future__ import annotations

import math

import pytest

from cardinet.build.builder import build
from cardinet.measure.paths import MEASURES, PathCounts, count_paths
from cardinet.networks.families.deeply_fused import DeeplyFused, fuse
from cardinet.networks.families.densenet import DenseNet
from cardinet.networks.families.fractalnet import FractalNet
from cardinet.networks.families.merge_and_run import MergeAndRun
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.networks.registry import NETWORKS, find
from cardinet.networks.spec import NetworkSpec
from measure.path_oracles import flowing, listed
from networks.small_networks import SMALL


def test_number_of_small_networks() -> None:
    assert len(SMALL) == 42
    assert {type(spec) for spec in SMALL.values()} == {type(row.spec) for row in NETWORKS.values()}


@pytest.mark.parametrize("name", SMALL)
def test_counts_equal_every_path_listed(name: str) -> None:
    graph = SMALL[name].path_graph()
    for by in MEASURES:
        assert count_paths(graph, by).by_length == dict(sorted(listed(graph, by).items()))
    each = {name} & {"form a", "copies", "split attention"}  # with each transform few have few enough to list
    if each:
        counted = count_paths(graph, "layers", each_transform=True)
        assert counted.by_length == dict(sorted(listed(graph, "layers", each_transform=True).items()))


@pytest.mark.parametrize("name", SMALL)
def test_counts_equal_the_paths_through_the_built_network(name: str) -> None:
    spec = SMALL[name]
    branched = name in ("form a", "form b")
    counts = count_paths(spec.path_graph(), "all layers", each_transform=branched)
    assert counts.by_length == dict(sorted(flowing(build(spec, device="meta")).items()))


def test_forms_have_the_same_paths_and_groups_are_the_transforms() -> None:
    a, b, c = (count_paths(SMALL[f"form {form}"].path_graph(), "layers", each_transform=True) for form in "abc")
    assert a == b == c
    for spec in (SMALL["form c"], SMALL["split attention"]):
        counts = count_paths(spec.path_graph(), "all layers", each_transform=True)
        assert counts.by_length == dict(sorted(flowing(build(spec, device="meta"), groups=True).items()))


def test_every_named_network_has_a_graph() -> None:
    assert len(NETWORKS) == 176
    for id, row in NETWORKS.items():
        graph = row.spec.path_graph()
        assert all(way.start <= i for i, ways in enumerate(graph.maps) for way in ways), id
        counts = count_paths(graph)
        assert counts.shortest <= counts.mean <= counts.longest, id
        assert count_paths(graph, "all layers").total == counts.total, id


def test_networks_without_shortcuts_have_none() -> None:
    found = {id: (row.spec, row.spec.without_shortcuts()) for id, row in NETWORKS.items()}
    plain = {id: (spec, without) for id, (spec, without) in found.items() if without is not None}
    assert len(plain) == 113 + 14 + 7  # residual, RepVGG, fused
    for id, (spec, without) in plain.items():
        ways = {len(ways) for ways in without.path_graph().maps}
        assert ways == {getattr(spec, "branches", 1)} | {1}, id
        assert paths(without, "all layers").longest == paths(spec, "all layers").longest, id
        assert without.without_shortcuts() is None, id


@pytest.mark.long
@pytest.mark.parametrize("id", NETWORKS)
def test_counts_of_every_named_network_equal_the_paths_through_it(id: str) -> None:
    spec = NETWORKS[id].spec
    counts = count_paths(spec.path_graph(), "all layers")
    assert counts.by_length == dict(sorted(flowing(build(spec, device="meta")).items()))


# The papers' figures


def paths(spec: NetworkSpec, by: str = "units") -> PathCounts:
    return count_paths(spec.path_graph(), by)  # type: ignore[arg-type]


def mean_and_deviation(counts: PathCounts) -> tuple[float, float]:
    return round(counts.mean, 2), round(counts.deviation, 2)


def test_figures_of_veit() -> None:
    """ResNet-110 of 54 units (arXiv 1605.06431): a binomial distribution; the paper's "> 95 %" is 98.02 %."""
    counts = paths(find("resnet110_cifar").spec)
    assert counts.total == 2**54
    assert counts.by_length == {k: math.comb(54, k) for k in range(55)}
    assert round(100 * counts.share(19, 35), 2) == 98.02
    assert round(100 * counts.share(20, 34), 2) == 95.98
    assert round(100 * counts.share(5, 17), 5) == 0.45367
    assert mean_and_deviation(counts) == (27, 3.67)
    assert counts.middle(0.95) == (20, 34)


def test_base_nets_of_fused_nets() -> None:
    assert paths(fuse(26, 3), "layers").total == 8
    lengths = paths(fuse(26, 3), "all layers").by_length
    assert lengths == {5: 1, 12: 3, 19: 3, 26: 1}
    assert paths(fuse(26, 6)).total == 64


@pytest.mark.parametrize("third", [3, 5, 8, 9])
def test_figures_of_merge_and_run(third: int) -> None:
    """Layers on the way, each branch 2, stem and classifier 2 (arXiv 1611.07718, Figure 3); L blocks of two branches.

    The printed values treat all blocks alike, which holds where the streams are concatenated; as coded the last block
    adds them.
    """
    blocks, depths = 3 * third, (third,) * 3
    coded, printed = MergeAndRun(depths=depths), MergeAndRun(depths=depths, join="concatenate")
    like, chain = DeeplyFused(depths=depths, branches=2), DeeplyFused(depths=(2 * third,) * 3)
    assert paths(coded).total == 4 * 3 ** (blocks - 1)
    assert paths(like).total == 3**blocks
    assert paths(chain).total == 2 ** (2 * blocks)
    for spec, mean, variance in ((chain, 2, 2), (like, 4 / 3, 8 / 9), (printed, 2 / 3, 8 / 9)):
        counts = paths(spec, "layers")
        assert counts.mean == pytest.approx(2 + blocks * mean)
        assert counts.deviation == pytest.approx(math.sqrt(blocks * variance))


def test_printed_figures_of_merge_and_run() -> None:
    def rounded(spec: NetworkSpec) -> tuple[float, float]:
        return mean_and_deviation(paths(spec, "layers"))

    nine, large = MergeAndRun(depths=(3, 3, 3)), MergeAndRun(depths=(8, 8, 8))
    assert rounded(nine) == (8.33, 2.85)
    assert rounded(nine.but(join="concatenate")) == (8.0, 2.83)
    assert rounded(large) == (18.33, 4.63)
    assert rounded(large.but(join="concatenate")) == (18.0, 4.62)
    assert rounded(DeeplyFused(depths=(3, 3, 3), branches=2)) == (14.0, 2.83)
    assert rounded(DeeplyFused(depths=(6, 6, 6))) == (20.0, 4.24)


def test_figures_of_fractalnet() -> None:
    counts = paths(find("fractalnet20").spec)
    assert counts.total == 5**5 == 3125
    assert mean_and_deviation(counts) == (13.0, 2.28)
    assert (counts.shortest, counts.longest) == (5, 20)
    found = [paths(FractalNet(columns=c, widths=(4,), dropout=(0,))) for c in range(1, 6)]
    assert [counts.total for counts in found] == [1, 2, 5, 26, 677]
    assert [round(counts.mean, 2) for counts in found] == [1, 1.5, 2.6, 5.04, 10.06]


def test_figures_of_dense_blocks() -> None:
    for layers in range(1, 9):
        counts = paths(DenseNet(depths=(layers,), stem="cifar"))
        assert counts.by_length == {k: math.comb(layers, k) for k in range(layers + 1)}


# The values of a count


def test_moments_and_ranges() -> None:
    counts = PathCounts({2: 1, 3: 2, 7: 1})
    lengths = [2, 3, 3, 7]
    assert counts.mean == sum(lengths) / 4
    assert counts.deviation == pytest.approx(math.sqrt(sum((x - counts.mean) ** 2 for x in lengths) / 4))
    assert (counts.share(3), counts.share(4, 6), counts.share(2, 7)) == (0.5, 0, 1)
    assert [counts.middle(share) for share in (0.5, 0.75, 0.76, 1)] == [(3, 3), (2, 3), (2, 7), (2, 7)]


def test_counts_of_hundreds_of_units_stay_exact() -> None:
    graph = PathGraph()
    at = 0
    for _ in range(600):
        at = graph.add(Way(at), Way(at, 2, unit=True))
    counts = count_paths(graph)
    assert counts.total == 2**600
    assert counts.mean == 300
    assert counts.deviation == pytest.approx(math.sqrt(150))
    assert counts.share(300) == pytest.approx(1 / math.sqrt(math.pi * 300), rel=1e-3)
