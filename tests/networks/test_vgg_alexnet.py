"""VGG and AlexNet: counts, the two-GPU network against its formulas, initial weights, order of layers, refusals."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.base.errors import RequestError
from cardinet.build.binding import bind
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.document import from_document, to_document
from cardinet.networks.families.alexnet import AlexNet
from cardinet.networks.families.vgg import VGG
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.local_response import LocalResponse
from cardinet.networks.registry import find
from networks.plain_formulas import averages, convolve, max_pool, positive

COUNTS = {
    "vgg16": (138_357_544, 15.47),
    "vgg19": (143_667_240, 19.632),
    "alexnet_2012": (60_965_224, 0.724),
    "alexnet_owt": (61_100_840, 0.714),
}
SMALL = AlexNet(widths=(4, 8, 6, 8, 4), num_classes=3, in_channels=2)


@pytest.mark.parametrize("id", COUNTS)
def test_counts(id: str) -> None:
    row = find(id)
    counts = count_spec(row.spec, row.input_size)
    assert (counts.params, round(counts.macs / 1e9, 3)) == COUNTS[id]


def test_counts_of_variants() -> None:
    assert len(COUNTS) == 4
    assert count_spec(find("vgg16").spec.but(norm=True), 224).params == 138_365_992
    assert count_spec(find("vgg19").spec.but(norm=True), 224).params == 143_678_248
    assert count_spec(find("alexnet_2012").spec.but(cardinality=1), 227).params == 62_378_344


def normalise(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """Section 3.3 of AlexNet: x_i / (k + alpha * sum of x_j^2)^beta over the j = i - n/2 ... i + n/2 that exist."""
    last = x.shape[1] - 1
    channels = []
    for i in range(last + 1):
        near = range(max(0, i - size // 2), min(last, i + size // 2) + 1)
        total = sum((x[:, j] ** 2 for j in near), start=torch.zeros_like(x[:, 0]))
        channels.append(x[:, i] / (k + alpha * total) ** beta)
    return torch.stack(channels, 1)


def classify(x: Tensor, state: dict[str, Tensor]) -> Tensor:
    """Figure 2 of AlexNet at any width, dropout off."""

    def conv(x: Tensor, i: int, **shape: int) -> Tensor:
        return positive(convolve(x, state[f"conv{i}.weight"], state[f"conv{i}.bias"], **shape))

    x = max_pool(normalise(conv(x, 1, stride=4), 5, 3.0, 0.75, 2), 3)
    x = max_pool(normalise(conv(x, 2, padding=2, groups=2), 5, 3.0, 0.75, 2), 3)
    x = conv(conv(conv(x, 3, padding=1), 4, padding=1, groups=2), 5, padding=1, groups=2)
    x = averages(max_pool(x, 3), 6).flatten(1)
    for name in ("fc6", "fc7"):
        x = positive(x @ state[f"{name}.weight"].T + state[f"{name}.bias"])
    return x @ state["fc.weight"].T + state["fc.bias"]


def test_alexnet_of_two_gpus_against_its_formulas() -> None:
    """At a size where every pool but the last hangs over the edge; alpha large, so that the normalisation matters."""
    torch.manual_seed(0)
    network = build(SMALL.but(alpha=3.0)).double().eval()
    own = {name: tensor.clone().requires_grad_() for name, tensor in network.state_dict().items()}
    x = torch.randn(2, 2, 63, 63, dtype=torch.float64)
    expected, logits = classify(x, own), network(x)
    assert [tuple(network.features(x)[name].shape[1:]) for name in ("stem", "pool2", "pool5")] == [
        (4, 7, 7),
        (8, 3, 3),
        (4, 1, 1),
    ]
    assert (logits - expected).abs().max() <= 1e-10 * expected.abs().max()
    weight = torch.randn(2, 3, dtype=torch.float64)
    (expected * weight).sum().backward()
    (logits * weight).sum().backward()
    for name, parameter in network.named_parameters():
        gradient = own[name].grad
        assert gradient is not None
        assert parameter.grad is not None
        assert gradient.abs().max() > 0
        assert (parameter.grad - gradient).abs().max() <= 1e-10 * gradient.abs().max(), name


def test_alpha_is_the_papers() -> None:
    """torch takes a mean where the paper takes a sum."""
    module = bind(LocalResponse())()
    assert (module.size, module.alpha, module.beta, module.k) == (5, 1e-4, 0.75, 2)
    theirs = nn.LocalResponseNorm(5, 5e-4, 0.75, 2)
    x = 100 * torch.randn(2, 7, 3, 3, dtype=torch.float64)
    assert (module(x) - normalise(x, 5, 1e-4, 0.75, 2)).abs().max() <= 1e-12 * x.abs().max()
    assert (module(x) - theirs(x)).abs().max() <= 1e-12 * x.abs().max()


@pytest.mark.long
def test_one_seed_gives_torchvisions_vgg() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.vgg11_bn().state_dict()
    torch.manual_seed(0)
    ours = build(find("torchvision:vgg11_bn").spec).state_dict()
    assert len(ours) == len(theirs)
    assert all(torch.equal(a, b) for a, b in zip(ours.values(), theirs.values(), strict=True))


@pytest.mark.parametrize(
    "spec", [SMALL.but(widths=(16, 16, 16, 16, 16)), VGG(depths=(1, 2), widths=(32, 32), norm=True)]
)
def test_initial_weights_of_the_papers(spec: AlexNet | VGG) -> None:
    torch.manual_seed(0)
    network = build(spec, init="paper")
    layers = {name: layer for name, layer in network.named_children() if isinstance(layer, nn.Conv2d | nn.Linear)}
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"} if isinstance(spec, AlexNet) else set()
    assert len(layers) == (8 if isinstance(spec, AlexNet) else 6)
    for name, layer in layers.items():
        assert layer.bias is not None
        assert torch.equal(layer.bias, torch.full_like(layer.bias, float(name in ones))), name
        few = layer.weight.numel() ** -0.5
        weight = layer.weight.detach()
        assert abs(float(weight.std()) / 0.01 - 1) < 4 * few, name
        assert abs(float(weight.mean()) / 0.01) < 4 * few, name


def test_order_of_layers() -> None:
    tiny = VGG(depths=(1, 2), widths=(4, 8), norm=True, gate=SqueezeExcite(reduction=2))
    network = build(tiny, device="meta")
    hidden = "fc6 relu6 drop6 fc7 relu7 drop7 fc"
    assert " ".join(dict(network.named_children())) == (
        "conv1_1 bn1_1 relu1_1 gate1_1 pool1 conv2_1 bn2_1 relu2_1 gate2_1 conv2_2 bn2_2 relu2_2 gate2_2 pool2 "
        f"avgpool {hidden}"
    )
    assert [(tap.name, tap.channels, tap.stride) for tap in network.taps] == [("stem", 4, 2), ("pool2", 8, 4)]
    assert tiny.stride == 4
    assert " ".join(build(SMALL, device="meta").head_names) == f"avgpool {hidden}"
    assert " ".join(build(SMALL.but(drop="before"), device="meta").head_names) == (
        "avgpool drop6 fc6 relu6 drop7 fc7 relu7 fc"
    )
    for spec in (tiny, SMALL, SMALL.but(norm=None)):
        assert from_document(to_document(spec)) == spec


def test_a_gate_weighs_what_leaves_the_relu() -> None:
    torch.manual_seed(0)
    network = build(VGG(depths=(1,), widths=(4,), gate=SqueezeExcite(reduction=2), num_classes=3)).eval()
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        active = network.get_submodule("conv1_1")(x).clamp(min=0)
        expected = F.max_pool2d(network.get_submodule("gate1_1")(active), 2)
        assert torch.equal(network.features(x)["stem"], expected)


def test_refusals_come_together() -> None:
    with pytest.raises(RequestError) as error:
        VGG(depths=(1, 2), widths=(4,), gate="se")  # type: ignore[arg-type]
    assert len(error.value.findings) == 2
    with pytest.raises(RequestError) as error:
        SMALL.but(cardinality=3, norm="lrn")
    assert len(error.value.findings) == 2
    assert "cardinality = 3 does not divide the widths [4, 8, 8, 4]" in str(error.value)
