"""Highway networks: counts, values and gradients from the formula, the carry at first, initial weights, refusals."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.highway import HighwayLayer
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.document import from_document, to_document
from cardinet.networks.families.highway import Highway
from cardinet.networks.registry import find
from networks.plain_formulas import averages, convolve, max_pool, positive

COUNTS = {"highway19_cifar10": (2_256_838, 0.331), "highway10_mnist": (151_690, 0.032)}
CIFAR, MNIST = find("highway19_cifar10").spec, find("highway10_mnist").spec
SMALL = {
    "as CIFAR": (CIFAR.but(depths=(2, 1, 1), widths=(3, 4, 5), narrow=3), 10),
    "as MNIST": (MNIST.but(depths=(1, 2, 1), widths=(3, 3, 3)), 18),
}


@pytest.mark.parametrize("id", COUNTS)
def test_counts(id: str) -> None:
    row = find(id)
    counts = count_spec(row.spec, row.input_size)
    assert (counts.params, round(counts.macs / 1e9, 3)) == COUNTS[id]


def test_counts_for_cifar100_and_of_layers() -> None:
    assert len(COUNTS) == 2
    assert count_spec(CIFAR.but(num_classes=100), 32).params == 2_265_928
    for spec, layers in ((CIFAR, 19), (MNIST, 10)):
        network = build(spec, device="meta")
        plain = sum(isinstance(module, nn.Conv2d | nn.Linear) for module in network.children())
        assert plain + sum(isinstance(module, HighwayLayer) for module in network.modules()) == layers


def test_highway32_cannot_be_built() -> None:
    with pytest.raises(RequestError, match="highway32_cifar10 cannot be built: the widths of its layers were never"):
        find("highway32_cifar10")


def classify(x: Tensor, state: dict[str, Tensor], spec: Highway) -> Tensor:
    """y = t h + (1 - t) x with h = max(0, conv(x)), t = 1 / (1 + exp(-transform(x))); dropout off."""

    def conv(x: Tensor, name: str, padding: int) -> Tensor:
        return convolve(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)

    x = positive(conv(x, "conv1", spec.first[1]))
    for stage, depth in enumerate(spec.depths, 1):
        if stage > 1 and f"conv{stage}.weight" in state:
            x = positive(conv(x, f"conv{stage}", 1))
        for i in range(depth):
            h = positive(conv(x, f"layer{stage}.{i}.conv", 1))
            t = 1 / (1 + torch.exp(-conv(x, f"layer{stage}.{i}.transform", 1)))
            x = t * h + (1 - t) * x
        if spec.pools[stage - 1]:
            x = max_pool(x, spec.pools[stage - 1])
    if spec.narrow is not None:
        x = positive(conv(x, f"conv{len(spec.depths) + 1}", 0))
    return averages(x, spec.side).flatten(1) @ state["fc.weight"].T + state["fc.bias"]


@pytest.mark.parametrize("name", SMALL)
def test_logits_and_gradients_from_the_formula(name: str) -> None:
    spec, size = SMALL[name]
    torch.manual_seed(0)
    network = build(spec).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.4)
    own = {key: tensor.clone().requires_grad_() for key, tensor in network.state_dict().items()}
    x = torch.randn(3, spec.in_channels, size, size, dtype=torch.float64)
    weight = torch.randn(3, spec.num_classes, dtype=torch.float64)
    expected, logits = classify(x, own, spec), network(x)
    assert (logits - expected).abs().max() <= 1e-10 * expected.abs().max()
    (expected * weight).sum().backward()
    (logits * weight).sum().backward()
    for key, parameter in network.named_parameters():
        gradient = own[key].grad
        assert gradient is not None
        assert parameter.grad is not None
        assert gradient.abs().max() > 0, key
        assert (parameter.grad - gradient).abs().max() <= 1e-10 * gradient.abs().max(), key


@torch.no_grad()
@pytest.mark.parametrize("init", ["torchvision", "paper"])
@pytest.mark.parametrize(("spec", "bias"), [(CIFAR, -2.0), (MNIST, -1.0), (CIFAR.but(transform_bias=-4), -4.0)])
def test_layers_carry_at_the_start(spec: Highway, bias: float, init: str) -> None:
    """The gate's share is sigmoid(bias) on average over small inputs, and the rest of x passes."""
    torch.manual_seed(0)
    network = build(spec, init=init)
    share = 1 / (1 + math.exp(-bias))
    for layer in network.get_submodule("layer2").children():
        assert isinstance(layer, HighwayLayer)
        assert layer.transform.bias is not None
        assert torch.equal(layer.transform.bias, torch.full_like(layer.transform.bias, bias))
        x = 0.01 * torch.randn(4, layer.conv.in_channels, 8, 8)
        gate = torch.sigmoid(layer.transform(x))
        assert abs(float(gate.mean()) - share) < 1e-4
        h = torch.relu(layer.conv(x))
        assert ((layer(x) - (share * h + (1 - share) * x)).abs()).mean() < 0.03 * x.abs().mean()


@torch.no_grad()
def test_initial_weights_of_the_authors() -> None:
    torch.manual_seed(0)
    for spec, first, last in ((CIFAR, 1.0, 0.05), (MNIST, (2 / 25) ** 0.5, 0.1)):
        network = build(spec, init="paper")
        expected = {"conv1": first, "fc": last}
        checked = 0
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                fan_in = layer.weight[0].numel()
                std = expected.get(name, (2 / fan_in) ** 0.5)
                few = layer.weight.numel() ** -0.5
                assert abs(float(layer.weight.std()) / std - 1) < 4 * few, name
                assert layer.bias is not None
                assert not name.endswith("transform") or float(layer.bias[0]) == spec.transform_bias
                assert name.endswith("transform") or not layer.bias.any(), name
                checked += 1
        assert checked == (14 * 2 + 5 if spec is CIFAR else 8 * 2 + 2)


def test_children_taps_dropout_and_document() -> None:
    cifar, mnist = (build(spec, device="meta") for spec in (CIFAR, MNIST))
    assert " ".join(dict(cifar.named_children())) == (
        "drop0 conv1 relu1 layer1 pool1 drop1 conv2 relu2 layer2 pool2 drop2 conv3 relu3 layer3 conv4 relu4 "
        "avgpool drop fc"
    )
    assert " ".join(dict(mnist.named_children())) == (
        "drop0 conv1 relu1 layer1 pool1 drop1 layer2 pool2 drop2 layer3 pool3 avgpool drop fc"
    )
    for network, rates in ((cifar, [0.2] * 4), (mnist, [0.2, 0.3, 0.4, 0.5])):
        assert [module.p for module in network.children() if isinstance(module, nn.Dropout)] == rates
    assert [(tap.name, tap.channels, tap.stride) for tap in cifar.taps] == [
        ("stem", 32, 1),
        ("layer1", 32, 1),
        ("layer2", 80, 2),
        ("layer3", 100, 4),
    ]
    assert mnist.taps[-1].stride == MNIST.stride == 8
    assert all(from_document(to_document(spec)) == spec for spec in (CIFAR, MNIST))


def test_refusals_come_together() -> None:
    with pytest.raises(RequestError) as error:
        CIFAR.but(depths=(1, 1))
    assert [finding.partition(" =")[0] for finding in error.value.findings] == ["widths", "pools", "dropout"]
    assert "2 stages (depths (1, 1)) need 3 of them" in error.value.findings[2]
