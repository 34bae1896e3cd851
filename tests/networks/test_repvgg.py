"""RepVGG: counts of both forms, which blocks are grouped, and the deployment form as the fused training form."""

from __future__ import annotations

import functools
import re
import subprocess
import sys

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.document import from_document, to_document
from cardinet.networks.families.repvgg import RepVGG
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.registry import find
from cardinet.weights.names import LAYOUTS

COUNTS = {
    "repvgg_a0": (8_309_384, 1.361, 9_108_968, 1.513),
    "repvgg_a1": (12_789_864, 2.364, 14_092_264, 2.626),
    "repvgg_a2": (25_499_944, 5.117, 28_210_600, 5.685),
    "repvgg_b0": (14_339_048, 3.058, 15_817_960, 3.397),
    "repvgg_b1": (51_829_480, 11.815, 57_415_016, 13.128),
    "repvgg_b1g2": (41_360_104, 8.81, 45_782_376, 9.788),
    "repvgg_b1g4": (36_125_416, 7.307, 39_966_056, 8.119),
    "repvgg_b2": (80_315_112, 18.377, 89_022_376, 20.418),
    "repvgg_b2g2": (63_956_712, 13.68, 70_846_376, 15.2),
    "repvgg_b2g4": (55_777_512, 11.332, 61_758_376, 12.591),
    "repvgg_b3": (110_960_872, 26.209, 123_085_288, 29.121),
    "repvgg_b3g2": (87_404_776, 19.446, 96_911_848, 21.606),
    "repvgg_b3g4": (75_626_728, 16.064, 83_825_128, 17.849),
}
"""Parameters and GMACs in deployment form, which the paper prints, and in training form."""

TINY = RepVGG(depths=(2, 3), widths=(8, 12), num_classes=5)


def test_number_of_rows() -> None:
    assert len(COUNTS) == 13


@pytest.mark.parametrize("id", COUNTS)
def test_counts_of_both_forms(id: str) -> None:
    row = find(id)
    printed, trained = count_spec(row.spec.but(**row.printed_form), 224), count_spec(row.spec, 224)
    assert (printed.params, round(printed.macs / 1e9, 3)) == COUNTS[id][:2]
    assert (trained.params, round(trained.macs / 1e9, 3)) == COUNTS[id][2:]


def test_counts_of_d2se_are_printed_for_the_training_form() -> None:
    row = find("repvgg_d2se")
    assert row.printed_form == {}
    counts = count_spec(row.spec, 224)
    assert (counts.params, round(counts.macs / 1e9, 3)) == (133_334_836, 36.477)


def test_every_second_block_is_grouped() -> None:
    """Counted from stage 0 on: 2, 4, ..., 26, in both convolutions."""
    network = build(find("repvgg_b1g4").spec, device="meta")
    blocks = [network.stage0, *(block for i in range(1, 5) for block in getattr(network, f"layer{i}"))]
    assert len(blocks) == 28
    for number, block in enumerate(blocks):
        expected = 4 if number in range(2, 27, 2) else 1
        assert (block.conv3x3.groups, block.conv1x1.groups) == (expected, expected)
    assert sum(block.bn is not None for block in blocks) == 28 - 5


def fused(state: dict[str, Tensor], block: str, groups: int) -> tuple[Tensor, Tensor]:
    """Kernel and bias of one 3x3 that equals a training block: sums of w g / s, padded to 3x3, and of b - m g / s."""

    def scaled(kernel: Tensor, bn: str) -> tuple[Tensor, Tensor]:
        mean, variance, weight, bias = (
            state[f"{block}.{bn}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        )
        factor = weight / torch.sqrt(variance + 1e-5)
        return kernel * factor[:, None, None, None], bias - mean * factor

    parts = [
        scaled(state[f"{block}.conv3x3.weight"], "bn3x3"),
        scaled(F.pad(state[f"{block}.conv1x1.weight"], (1, 1, 1, 1)), "bn1x1"),
    ]
    if f"{block}.bn.weight" in state:
        identity = torch.zeros_like(state[f"{block}.conv3x3.weight"])
        for i in range(len(identity)):
            identity[i, i % (len(identity) // groups), 1, 1] = 1
        parts.append(scaled(identity, "bn"))
    kernels, biases = zip(*parts, strict=True)
    return functools.reduce(torch.add, kernels), functools.reduce(torch.add, biases)


@pytest.mark.parametrize("delta", [{}, {"cardinality": 2}, {"gate": SqueezeExcite(reduction=4)}])
def test_the_deployment_form_is_the_fused_training_form(delta: dict[str, object]) -> None:
    torch.manual_seed(0)
    spec = TINY.but(**delta)
    training = build(spec).double().eval()
    for module in training.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            for tensor in (module.weight, module.bias, module.running_mean):
                nn.init.normal_(tensor, mean=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
    state = training.state_dict()
    deployment = build(spec.but(form="deployment")).double().eval()
    own: dict[str, Tensor] = {}
    for name, module in deployment.named_modules():
        if name.endswith(".conv"):
            block = name.removesuffix(".conv")
            assert isinstance(module, nn.Conv2d)
            own[f"{name}.weight"], own[f"{name}.bias"] = fused(state, block, module.groups)
    assert len(own) == 2 * 6
    deployment.load_state_dict(own | {name: state[name] for name in deployment.state_dict() if name not in own})
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        expected, logits = training(x), deployment(x)
    assert (expected[0] - expected[1]).abs().max() > 1e-4 * expected.abs().max()
    assert (logits - expected).abs().max() <= 1e-10 * expected.abs().max()


@pytest.mark.long
def test_timms_d2se_by_value() -> None:
    """Here, as 48 gates in a row leave nothing of the picture unless BN has the statistics of what it normalises."""
    torch.manual_seed(0)
    theirs = timm.create_model("repvgg_d2se").double().train()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.normal_(module.bias, std=0.1)
            module.momentum = 1
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        theirs(x)
    state = theirs.eval().state_dict()
    network = build(find("repvgg_d2se").spec, device="meta").double()
    names = LAYOUTS["timm", "RepVGG"].translate(network.state_dict())
    assert set(names.values()) == set(state)
    network.load_state_dict({ours: state[other] for ours, other in names.items()}, assign=True)
    with torch.no_grad():
        expected, logits = theirs(x), network.eval()(x)
    assert (expected[0] - expected[1]).abs().max() > 0.1 * expected.abs().max()
    assert (logits - expected).abs().max() <= 1e-10 * expected.abs().max()


def test_children_taps_and_document() -> None:
    network = build(TINY, device="meta")
    assert [name for name, _ in network.named_children()] == ["stage0", "layer1", "layer2", "avgpool", "fc"]
    assert [(tap.name, tap.channels, tap.stride) for tap in network.taps] == [
        ("stem", 8, 2),
        ("layer1", 8, 4),
        ("layer2", 12, 8),
    ]
    assert TINY.stride == 8
    assert from_document(to_document(TINY)) == TINY


def test_refusals_come_together() -> None:
    with pytest.raises(RequestError) as error:
        TINY.but(depths=(1, 2, 3), cardinality=5, gate="se")
    assert len(error.value.findings) == 3
    for text in (r"differ in length", r"cardinality = 5 does not divide", r"gate = 'se': give a part"):
        assert re.search(text, str(error.value))


def test_the_first_block_trains_on_pictures_of_full_size() -> None:
    """In a process of its own, as torch 2.14 destroys the heap where a 1x1 of 3 channels strides in channels_last."""
    code = (
        "import torch; from cardinet.build.builder import build; from cardinet.networks.registry import find\n"
        "block = build(find('repvgg_a0').spec).stage0\n"
        "for _ in range(10): block(torch.randn(2, 3, 224, 224)).sum().backward()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
