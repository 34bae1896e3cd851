"""Other libraries' networks beside ours, with the same weights in both."""

from __future__ import annotations

import contextlib
import fnmatch
import importlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cardinet.blocks.merge import StochasticDepth
from cardinet.build.builder import build
from cardinet.build.drawn import with_drawn_values
from cardinet.networks.registry import PEERS
from cardinet.weights.names import LAYOUTS

SIDES = {"DenseNet": 64, "Inception": 107, "AlexNet": 224, "RepVGG": 56}
"""Sides of pictures by family, in pixels; else 40, where odd maps (5 to 3 to 2) are strided too."""

LARGE = (
    *("*101*", "*103", "*152*", "*200*", "*269*", "*272*", "*542*", "*1001*", "*1202*"),
    *("timm:senet154", "pytorchcv:senet154", "timm:wide_resnet50_2", "*wrn28_10*", "*wrn40_8*", "*29_16x64d*"),
    *("*repvgg_b[123]*", "*repvgg_d2se", "torchvision:vgg1[369]*", "timm:vgg16_bn", "timm:vgg19*"),
    *("*densenet161", "*densenet169", "*densenet190*", "*densenet2*", "*densenet100_k24*", "timm:densenet121"),
    *("timm:vgg16", "timm:legacy_senet154", "torchvision:wide_resnet50_2", "pytorchcv:senet*", "*inception*resnet*v2"),
    *("pytorchcv:*50*", "pytorchcv:inceptionv[34]", "pytorchcv:*34*", "timm:resnet50[cds]", "timm:*resnet50d*"),
    *("torchvision:vgg11*", "*densenet100_k12*", "pytorchcv:alexnet", "*wrn16_10*", "timm:resnest50d_4s2x40d"),
    *("pytorchcv:seresnet164bn*", "pytorchcv:resnext20_32x4d*", "timm:skresnext50*", "timm:inception_v4"),
    *(
        "timm:legacy_seresnext50*",
        "pytorchcv:alexnetb",
        "timm:seresnet50",
        "timm:resnetv2_50",
        "pytorchcv:resnext29_32x4d*",
    ),
)
"""Patterns of the pairs that take long, which `proofs/peers.py` compares and `make test` does not."""


@dataclass(frozen=True)
class Comparison:
    """The largest differences between a library's network and ours, relative to the largest value there.

    `single` of the logits in eval mode, in float32, and `spread` how much there those of two pictures differ: without
    it, equal ones would mean nothing. In train mode `logits`, and `trained` of all gradients and BN statistics, that of
    `worst`, in float64, as training deep networks of random weights amplifies the rounding of float32 beyond any
    tolerance. A gradient that is zero but for rounding (of a bias in front of BN) is measured against 1e-8 of the
    largest of all.
    """

    params: int
    single: float
    spread: float
    logits: float
    trained: float
    worst: str


def agree(found: Comparison) -> bool:
    """Whether a comparison is one of two equal networks."""
    return found.spread > 1e-4 and found.single <= 1e-5 and found.logits <= 1e-6 and found.trained <= 1e-4


def small() -> list[str]:
    """The pairs that are quickly compared."""
    return [name for name in PEERS if not any(fnmatch.fnmatch(name, pattern) for pattern in LARGE)]


def compare(name: str) -> Comparison:
    """A library's network and ours with its weights, on three pictures of the smallest valid side."""
    library, _, theirs = name.partition(":")
    row = PEERS[name]
    torch.manual_seed(0)
    side = min(row.input_size, SIDES.get(row.family, 40))
    x = torch.randn(3, row.spec.in_channels, side, side, dtype=torch.float64)
    # In one memory layout, as another convolution algorithm rounds otherwise; pytorchcv's AlexNet takes one alone.
    layout = torch.contiguous_format if fnmatch.fnmatch(name, "pytorchcv:alexnet*") else torch.channels_last
    single_x = x.float().to(memory_format=layout)
    reference = with_drawn_values(peer(library, theirs).to(memory_format=layout), single_x).eval()
    network = build(row.spec, device="meta").to_empty(device="cpu").eval()  # no weights but those carried over
    names = carried(reference.state_dict(), network, library)
    with torch.no_grad():
        one, other = (net(single_x) for net in (reference, network))
        single = largest(one - other) / largest(one)
    weight = torch.randn(one.shape, dtype=torch.float64)
    there, expected = trained(reference.double(), x, weight)
    del reference  # the largest pair needs 15 GB otherwise
    here, logits = trained(network.double(), x, weight)
    sizes = {theirs: largest(tensor) for theirs, tensor in there.items()}
    least = 1e-8 * max(sizes.values())
    differences = {}
    for ours, tensor in here.items():
        other = there[names[ours]].reshape(tensor.shape)
        differences[ours] = largest(tensor - other) / (sizes[names[ours]] + least)
    worst = max(differences, key=differences.__getitem__)
    return Comparison(
        params=sum(p.numel() for p in network.parameters()),
        single=single,
        spread=largest(one[0] - one[1]) / largest(one),
        logits=largest(logits - expected) / largest(expected),
        trained=differences[worst],
        worst=worst,
    )


def largest(tensor: Tensor) -> float:
    """The largest magnitude; NaN where one is."""
    return float(torch.linalg.vector_norm(tensor, torch.inf))


def trained(network: nn.Module, x: Tensor, weight: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """In train mode by name the gradients of the weighted sum of the logits, and the BN statistics; and the logits."""
    certain(network).train()
    logits = network(x)
    (logits * weight).sum().backward()
    found = {name: buffer for name, buffer in network.named_buffers() if buffer.is_floating_point()}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        found[name] = parameter.grad
    return found, logits.detach()


def peer(library: str, name: str) -> nn.Module:
    """Another library's network without its auxiliary heads.

    pytorchcv's last pools have the side of the last map at the networks' own size; global ones are the same there.
    """
    network: nn.Module
    if library == "timm":
        network = importlib.import_module("timm").create_model(name)
    elif library == "pytorchcv":
        network = importlib.import_module("pytorchcv.model_provider").get_model(name)
        features = network.get_submodule("features")
        if isinstance(getattr(features, "final_pool", None), nn.AvgPool2d):
            features.final_pool = nn.AdaptiveAvgPool2d(1)
    else:
        auxiliary = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        network = importlib.import_module("torchvision").models.get_model(name, weights=None, **auxiliary)
    return network


def carried(state: Mapping[str, Tensor], network: nn.Module, library: str) -> dict[str, str]:
    """Load another library's tensors by name into ours, every one of both; returns our names to theirs."""
    own = network.state_dict()
    readings = []
    for (whose, _), layout in LAYOUTS.items():
        if whose == library:
            with contextlib.suppress(ValueError):
                readings.append(layout.translate(own))
    names = max(readings, key=lambda names: len(set(names.values()) & set(state)))
    ours, theirs = set(names.values()) - set(state), set(state) - set(names.values())
    assert not ours | theirs, f"only ours: {sorted(ours)[:5]}; only theirs: {sorted(theirs)[:5]}"
    with torch.no_grad():
        for mine, other in names.items():
            assert own[mine].numel() == state[other].numel(), (mine, own[mine].shape, other, state[other].shape)
            own[mine].copy_(state[other].reshape(own[mine].shape))
    return names


def certain(network: nn.Module) -> nn.Module:
    """The network without dropout and with all units open, so that two networks train equally."""
    for module in network.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.p = 0.0
        if isinstance(module, StochasticDepth):
            module.survival = 1.0
        for rate, off in (("drop_rate", 0.0), ("life_prob", 1.0)):  # timm and torchvision; pytorchcv
            if hasattr(module, rate):
                setattr(module, rate, off)
    return network
