"""Deeply-fused and merge-and-run networks: counts, values from the formulas alone, base networks, refusals.

No other library has these networks; `fused_formulas` is the second implementation.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.deeply_fused import FusedBlock, FusedLines, Shape
from cardinet.blocks.merge_and_run import MergeAndRunBlock
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.document import from_document, to_document
from cardinet.networks.families import deeply_fused, merge_and_run
from cardinet.networks.families.deeply_fused import DeeplyFused, fuse
from cardinet.networks.families.merge_and_run import MergeAndRun
from cardinet.networks.registry import FAMILIES, NETWORKS, find
from networks.fused_formulas import NARROW, NETS, Naive, along, pictures, ready

COUNTS = {
    "dfn_mr1": (1_710_426, "0.251"),
    "dfn_mr2": (14_851_402, "2.2"),
    "dfn_mr3": (24_151_882, "3.559"),
    "dfn_mr_imagenet": (46_395_048, "7.341"),
    "resnet98_dfn_baseline": (45_047_464, "7.223"),
    "dfn_il1": (1_707_674, "0.251"),
    "fusenet_resnet110": (1_730_714, "0.253"),
}
"""Parameters and GMACs of the facts about the papers."""

CIFAR100 = {"dfn_mr1": 1_716_276, "dfn_mr2": 14_874_532, "dfn_mr3": 24_175_012, "dfn_il1": 1_713_524}
CIFAR100 |= {"fusenet_resnet110": 1_736_564}


@pytest.mark.parametrize("id", COUNTS)
def test_counts_are_those_of_the_papers(id: str) -> None:
    row = find(id)
    params, printed = COUNTS[id]
    counts = count_spec(row.spec, row.input_size)
    assert row.family == "DeeplyFused"
    assert counts.params == params
    assert round(counts.macs / 1e9, len(printed.partition(".")[2])) == float(printed)
    assert sum(stage.params for stage in counts.stages) == counts.params
    if id in CIFAR100:
        assert count_spec(row.spec.but(num_classes=100), 32).params == CIFAR100[id]


def test_every_row_is_counted_or_has_a_reading() -> None:
    rows = {id: row for id, row in NETWORKS.items() if row.family == "DeeplyFused"}
    assert len(rows) == 13
    assert set(COUNTS) == {id for id, row in rows.items() if not row.reading} | {
        "dfn_mr3",
        "dfn_mr_imagenet",
        "resnet98_dfn_baseline",
    }
    with pytest.raises(RequestError, match=r"dfn_original cannot be built: .* never published layer by layer"):
        find("dfn_original")


def test_counts_that_the_authors_print_elsewhere() -> None:
    """The log in their tutorial.ipynb, and 24.8M of their README, which takes 3x3 projections."""
    assert count_spec(find("dfn_mr1").spec.but(depths=(2, 2, 2)), 32).params == 349_402  # 0.3494M
    assert count_spec(find("dfn_mr3").spec.but(shallow="3x3"), 32).params == 24_807_242


def test_segments_of_fused_nets_have_the_layers_of_the_plain_net() -> None:
    """16 channels: one more 3x3 and BN in the first block; one more for each change of the shape."""
    plain = count_spec(find("fusenet_plain26").spec, 32)
    lines = [(16, 16, 32), (16, 32, 16), (32, 64, 8)]
    for id in ("fusenet_fuse3_26", "fusenet_fuse6_26"):
        counts = count_spec(find(id).spec, 32)
        assert counts.params == plain.params + sum(9 * a * b + 2 * b for a, b, _ in lines)
        assert counts.macs == plain.macs + sum(9 * a * b * side**2 for a, b, side in lines)


def test_channels_of_both_streams_are_counted() -> None:
    outputs = {stage.name: stage.output for stage in count_spec(find("dfn_mr_imagenet").spec, 224).stages}
    assert " ".join(outputs) == "conv1 maxpool fork layer1 layer2 layer3 layer4 join avgpool fc"
    assert outputs["maxpool"] == (64, 56, 56)
    assert outputs["fork"] == (128, 56, 56)
    assert outputs["layer1"] == (512, 56, 56)
    assert outputs["layer4"] == outputs["join"] == (4096, 7, 7)
    assert outputs["fc"] == (1000,)


def test_number_of_networks() -> None:
    assert len(NETS) == 10
    assert len({rule for _, rule, _ in NETS.values()}) == 8


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", NETS)
def test_logits_and_gradients(name: str, training: bool) -> None:
    spec, formula, size = NETS[name]
    network = ready(spec, training=training)
    naive = Naive(network)
    x = pictures(spec, size)
    weights = torch.randn(3, spec.num_classes, dtype=torch.float64)

    expected = formula(naive, x, spec)
    (expected * weights).sum().backward()
    found = network(x)
    (found * weights).sum().backward()

    assert (expected[0] - expected[1]).abs().max() > 1e-3
    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()
    parameters = dict(network.named_parameters())
    assert sorted(parameters) == sorted(naive.weights)
    for key, parameter in parameters.items():
        gradient = naive.weights[key].grad
        assert gradient is not None, key
        assert parameter.grad is not None, key
        assert (parameter.grad - gradient).abs().max() <= 1e-10 * max(1.0, float(gradient.abs().max())), key


def test_batch_statistics_move_as_in_the_authors_code() -> None:
    norms = [module for module in ready(NETS["fuse3"][0]).modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 1 + 9 + 3
    assert {(norm.eps, norm.momentum) for norm in norms} == {(2e-5, 0.1)}


def test_merge_and_run_without_branches_is_the_mean_and_idempotent() -> None:
    """[[1/2, 1/2], [1/2, 1/2]] is its own square: what is merged once stays merged, and flows on at full size."""
    make = FusedLines(kernels=(3, 3), reduction=1, shallow="1x1")
    block = MergeAndRunBlock(make, Shape(4, 4, 1, first=False), ends=False)
    for line in (block.deep1, block.deep2):
        last = line.get_submodule("bn2")
        assert isinstance(last, nn.BatchNorm2d)
        nn.init.zeros_(last.weight)
    x1, x2 = torch.rand(2, 4, 5, 5), torch.rand(2, 4, 5, 5)
    once = cast(tuple[Tensor, Tensor], block((x1, x2)))
    twice = cast(tuple[Tensor, Tensor], block(once))
    for stream, again in zip(once, twice, strict=True):
        assert torch.allclose(stream, (x1 + x2) / 2)
        assert torch.equal(again, stream)


def test_choices_are_the_lines_of_the_blocks() -> None:
    specs = [row.spec for family in (deeply_fused.FAMILY, deeply_fused.IMAGENET) for row in family.rows.values()]
    for spec in specs:
        blocks = [module for module in build(spec, device="meta").modules() if isinstance(module, FusedBlock)]
        assert spec.choices == tuple(block.lines for block in blocks)
    assert len(specs) == 9
    assert list(map(len, find("fusenet_fuse3_26").spec.choices)) == [2, 2, 2]


@pytest.mark.parametrize("name", ["fuse3", "fuse6"])
def test_base_networks_are_made_of_the_parameters_of_the_fused_network(name: str) -> None:
    spec, _, size = NETS[name]
    x = pictures(spec, size)
    paths = list(itertools.product(*spec.choices))
    assert len(paths) == 2 ** sum(spec.depths)
    logits = []
    for path in paths if name == "fuse3" else paths[::9]:
        network = ready(spec)
        own = dict(network.named_parameters())
        base = network.base(path)
        parameters = dict(base.named_parameters())
        assert all(parameter is own[key] for key, parameter in parameters.items())

        alone = ready(spec.but(path=path))
        assert alone.spec == base.spec == from_document(json.loads(json.dumps(to_document(base.spec))))
        alone.load_state_dict(base.state_dict())
        with torch.no_grad():
            logits.append(along(Naive(base), x, base.spec))
        assert (base(x) - logits[-1]).abs().max() <= 1e-10 * logits[-1].abs().max()
        assert torch.equal(base(x), alone(x))

        base(x).sum().backward()
        assert {key for key, parameter in own.items() if parameter.grad is not None} == set(parameters)
        assert len(own) > len(parameters)
    assert all((a - b).abs().max() > 1e-3 for a, b in itertools.combinations(logits, 2))


def test_a_base_network_has_its_own_mode_and_statistics() -> None:
    spec, _, size = NETS["fuse3"]
    network = ready(spec)
    before = copy.deepcopy(network.state_dict())
    base = network.base(("deep1",) * 3).train()
    base(pictures(spec, size))
    assert not network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not torch.equal(base.state_dict()["bn1.running_mean"], before["bn1.running_mean"])
    with pytest.raises(RequestError, match="base network already"):
        base.base(("deep1",) * 3)


def test_the_deep_base_of_a_fused_net_is_the_plain_net() -> None:
    spec, _, size = NETS["fuse3"]
    base = ready(spec).base(("deep1",) * 3)
    segment = len(spec.lines.kernels)
    network = ready(find("fusenet_plain26").spec.but(**NARROW, depths=(segment,) * 3))
    with torch.no_grad():
        for g, i, (kind, names) in itertools.product(
            (1, 2, 3),
            range(1, segment + 1),
            [("conv", ["weight"]), ("bn", ["weight", "bias", "running_mean", "running_var"])],
        ):
            for name in names:
                theirs = base.state_dict()[f"layer{g}.0.deep1.{kind}{i}.{name}"]
                network.state_dict()[f"layer{g}.{i - 1}.deep1.{kind}1.{name}"].copy_(theirs)
        for key in ("conv1", "bn1", "fc"):
            network.get_submodule(key).load_state_dict(base.get_submodule(key).state_dict())
    x = pictures(spec, size)
    assert torch.equal(network(x), base(x))


def test_weights_of_the_paper() -> None:
    """Convolutions normal with std sqrt(2 / fan_in), fc uniform in 1 / sqrt(fan_in), its bias 0."""
    torch.manual_seed(0)
    network = build(find("dfn_mr1").spec.but(depths=(1, 1, 1), widths=(32, 64, 128)), init="paper")
    checked = 0
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 2_000:
            std, fan_in = module.weight.std().item(), module.weight[0].numel()
            assert std == pytest.approx(math.sqrt(2 / fan_in), rel=5 / math.sqrt(2 * module.weight.numel()))
            checked += 1
    assert checked == 12 + 4
    assert isinstance(network.fc, nn.Linear)
    assert network.fc.weight.abs().max().item() == pytest.approx(1 / math.sqrt(128), rel=0.01)
    assert not network.fc.bias.any()


REFUSED: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "segments": (
        lambda: fuse(28, 4),
        [
            "segments = 4: the three groups need equal numbers of segments; use a multiple of 3.",
            "depth = 28: 4 segments do not divide the 26 layers between stem and classifier; use 26 or 30.",
        ],
    ),
    "too shallow": (
        lambda: fuse(7, 6),
        ["depth = 7: 6 segments do not divide the 5 layers between stem and classifier; use 8 or 14."],
    ),
    "groups": (
        lambda: DeeplyFused(depths=(1, 1)),
        ["depths (1, 1) and widths (16, 32, 64) differ in length; give one of each per group."],
    ),
    "reduction": (
        lambda: MergeAndRun(depths=(1, 1), widths=(16, 18)).but(reduction=4, shallow="none"),
        [
            "reduction = 4 does not divide the 18 channels of a group; take a multiple of it.",
            'shallow = "none": the streams are averaged only in their shallow lines; use "identity" or "1x1".',
        ],
    ),
    "length of a path": (
        lambda: fuse(26, 3).but(path=("deep1",)),
        ["path has 1 names; give one for each of the 3 blocks."],
    ),
    "lines of a path": (
        lambda: find("resnet98_dfn_baseline").spec.but(depths=(2, 1, 1, 1), path=("shallow", "deep2", *["deep1"] * 3)),
        [
            'path: block 1 has no line "shallow"; it has deep1.',
            'path: block 2 has no line "deep2"; it has shallow, deep1.',
        ],
    ),
    "a path of two streams": (
        lambda: find("dfn_mr1").spec.but(path=("deep1",)),
        ['A network of this kind has no setting "path" (nearest: '],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_is_refused_with_the_fix(name: str) -> None:
    make, sentences = REFUSED[name]
    with pytest.raises(RequestError) as error:
        make()
    assert len(error.value.findings) == len(sentences)
    assert all(found.startswith(text) for found, text in zip(error.value.findings, sentences, strict=True))


STREAMS = MergeAndRun(depths=(1, 2), widths=(4, 8), num_classes=3)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
@pytest.mark.parametrize("spec", [STREAMS, STREAMS.but(join="concatenate", shallow="identity")], ids=["add", "cat"])
def test_streams_run_in_every_way(spec: MergeAndRun) -> None:
    network = ready(spec)
    x = pictures(spec, 8)
    expected = network(x).detach()
    runs: list[Callable[[Tensor], Tensor]] = [
        torch.compile(network, fullgraph=True, backend="aot_eager"),
        torch.export.export(network, (x,)).module(),
        torch.jit.trace(network, x, check_trace=False),
        torch.func.vmap(lambda one: network(one[None])[0]),
        copy.deepcopy(network),
    ]
    for run in runs:
        assert (run(x) - expected).abs().max() <= 1e-12 * expected.abs().max()

    trained = copy.deepcopy(network).train()
    compiled = torch.compile(network.train(), fullgraph=True, backend="aot_eager")
    assert (compiled(x) - trained(x)).abs().max() <= 1e-12 * expected.abs().max()
    compiled(x).sum().backward()

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        logits: Tensor = torch.func.functional_call(network, parameters | buffers, (x,))
        return logits.sum()

    found = torch.func.grad(loss)(dict(network.named_parameters()), dict(network.named_buffers()))
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(found[key], parameter.grad, rtol=1e-10, atol=1e-12), key


def test_two_streams_are_no_backbone() -> None:
    network = build(NETS["merge-and-run"][0])
    assert network.no_backbone
    assert not network.taps
    assert list(network.features(torch.randn(1, 2, 12, 12))) == ["pooled", "logits"]
    one = build(NETS["fuse3"][0])
    assert not one.no_backbone
    found = one.features(torch.randn(1, 2, 12, 12))
    for tap in one.taps:
        assert found[tap.name].shape == (1, tap.channels, 12 // tap.stride, 12 // tap.stride)
    assert one.taps[-1].stride == NETS["fuse3"][0].stride == 4


def test_the_families_are_registered() -> None:
    tables = (deeply_fused.FAMILY, deeply_fused.IMAGENET, merge_and_run.FAMILY, merge_and_run.IMAGENET)
    assert all(any(table is known for known in FAMILIES) for table in tables)
