"""Whose names a file has: libraries, code bases, prefixes, nobody's; and what is refused because nobody can know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import cardinet
from breadth import breadth
from cardinet.base.errors import RequestError
from cardinet.networks.registry import PEERS
from cardinet.weights.contents import Weights
from cardinet.weights.match import fixed_settings, load, match
from networks.peers import peer
from weights.drawn import TINY, drawn, same_tensors

LIBRARIES = {
    "torchvision:resnet18": "",
    "torchvision:resnext50_32x4d": "",
    "timm:resnet50": "",
    "pytorchcv:resnet18": "pytorchcv's names",
    "torchvision:densenet121": "torchvision's names",
    "timm:resnetv2_50": "timm's names",
    "timm:seresnet50": "timm's names",
    "torchvision:vgg11": "torchvision's names",
    "timm:vgg16": "timm's names",
}


@pytest.mark.parametrize("name", breadth(LIBRARIES, "torchvision:vgg11", "timm:vgg16", "timm:seresnet50"))
def test_a_librarys_weights_are_recognised(name: str) -> None:
    library, _, theirs = name.partition(":")
    torch.manual_seed(0)
    reference = peer(library, theirs).eval()
    network = cardinet.create(PEERS[name].spec).eval()
    found = load(network, Weights("a.pth", reference.state_dict()))
    assert (found.origin, found.left_over, found.reinitialised) == (LIBRARIES[name], (), ())
    assert len(found.loaded) == len(network.state_dict())
    assert bool(found.renamed) == bool(LIBRARIES[name])
    side = 224 if "vgg" in name else 64
    x = torch.randn(1, 3, side, side)
    with torch.no_grad():
        expected = reference(x)
        assert (network(x) - expected).abs().max() <= 1e-5 * expected.abs().max()


def akamaster(network: nn.Module, prefix: str = "module.") -> dict[str, Tensor]:
    """The tensors as pytorch_resnet_cifar10 names them: old, without counters of batches."""
    return {
        f"{prefix}{name.replace('fc.', 'linear.').replace('downsample.', 'shortcut.')}": tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize("prefix", ["module.", "", "model.", "net."])
@pytest.mark.parametrize(("id", "classes"), [("resnet20_cifar", 10), ("resnet44_cifar", 100), ("resnet110_cifar", 10)])
def test_a_key_layout_settles_the_padding(id: str, classes: int, prefix: str) -> None:
    trained = drawn(id, pad="both", num_classes=classes)
    weights = Weights("a.th", akamaster(trained, prefix))
    spec = cardinet.create(id, num_classes=classes, device="meta").spec
    fixed, sentences = fixed_settings(cardinet.create(spec, device="meta"), weights)
    assert fixed == {"pad": "both"}
    assert sentences == (
        'The network is built with pad = "both" (half of the new channels on each side), as a.th shows.',
    )
    made = cardinet.create(spec, **fixed).eval()
    found = load(made, weights)
    assert same_tensors(made, trained)
    assert "The names are those of the ResNets for CIFAR of pytorch_resnet_cifar10" in found.sentences()[0]
    under = f' from below "{prefix}"' if prefix else ""
    number = len(weights.tensors)
    assert found.sentences()[1:] == [f"{number} tensors loaded{under}, 2 of them renamed (linear.weight is fc.weight)."]
    with pytest.raises(RequestError, match=r'has shortcut.pad = "end" .* a.th was trained with shortcut.pad = "both"'):
        load(cardinet.create(spec), weights)


def test_the_resnets_of_transformers() -> None:
    trained = drawn("resnet50")
    state = trained.state_dict()
    theirs = {f"classifier.1.{role}": state[f"fc.{role}"] for role in ("weight", "bias")}
    blocks = {"resnet.embedder.embedder": ("conv1", "bn1")}
    for stage, depth in enumerate((3, 4, 6, 3)):
        for i in range(depth):
            place, ours = f"resnet.encoder.stages.{stage}.layers.{i}", f"layer{stage + 1}.{i}"
            blocks |= {f"{place}.layer.{k}": (f"{ours}.conv{k + 1}", f"{ours}.bn{k + 1}") for k in range(3)}
            if i == 0:
                blocks[f"{place}.shortcut"] = (f"{ours}.downsample.0", f"{ours}.downsample.1")
    for place, (conv, bn) in blocks.items():
        theirs[f"{place}.convolution.weight"] = state[f"{conv}.weight"]
        for role in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            theirs[f"{place}.normalization.{role}"] = state[f"{bn}.{role}"]
    made = cardinet.create("resnet50")
    found = load(made, Weights("model.safetensors", theirs, ordered=False))
    assert (found.origin, len(found.renamed), found.left_over) == ("transformers' names", 320, ())
    assert same_tensors(made, trained)


def test_what_the_user_sets_stands() -> None:
    weights = Weights("a.th", akamaster(drawn("resnet20_cifar", **TINY)))
    spec = cardinet.create("resnet20_cifar", **TINY).spec
    assert fixed_settings(cardinet.create(spec, device="meta"), weights, given=["pad"]) == ({}, ())
    load(cardinet.create(spec), weights, given=["pad"])


def test_a_layout_settles_nothing_where_nothing_pads() -> None:
    trained = drawn("resnet20_cifar", kind="B", **TINY)
    weights = Weights("a.th", akamaster(trained))
    assert fixed_settings(trained, weights) == ({}, ())
    made = cardinet.create(trained.spec)
    load(made, weights)
    assert torch.equal(made.get_parameter("layer2.0.downsample.0.weight"), trained.layer2[0].downsample[0].weight)


def renumbered(network: nn.Module) -> dict[str, Tensor]:
    return {f"p{i}": t for i, (n, t) in enumerate(network.state_dict().items()) if not n.endswith("_tracked")}


def with_roles(network: nn.Module) -> dict[str, Tensor]:
    return {f"{name.replace('.', '_', name.count('.') - 1)}": t for name, t in network.state_dict().items()}


def by_torchvision(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.state_dict())


@pytest.mark.parametrize("naming", [renumbered, with_roles, by_torchvision])
def test_nobody_knows_which_way_unknown_code_pads(naming: Callable[[nn.Module], dict[str, Tensor]]) -> None:
    trained = drawn("resnet20_cifar", pad="both", **TINY)
    weights = Weights("a.pth", naming(trained))
    assert fixed_settings(trained, weights) == ({}, ())
    with pytest.raises(RequestError) as error:
        load(cardinet.create(trained.spec), weights)
    assert "does not say which shortcut.pad it was trained with" in str(error.value)
    assert "--set shortcut.pad=end" in str(error.value)
    assert "--set shortcut.pad=both" in str(error.value)
    made = cardinet.create(trained.spec)
    load(made, weights, given=["pad"])
    assert torch.equal(made.get_parameter("fc.weight"), trained.fc.weight)


@pytest.mark.parametrize("naming", [renumbered, with_roles])
def test_order_and_shape_are_the_last_resort(naming: Callable[[nn.Module], dict[str, Tensor]]) -> None:
    trained = drawn("resnet20_cifar", kind="B", **TINY)
    tensors = naming(trained)
    made = cardinet.create(trained.spec).eval()
    found = load(made, Weights("a.pth", tensors))
    assert found.sentences()[0].startswith("Matched by order and shape: no names in common (a.pth has ")
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(made(x), trained(x))
    other = cardinet.create("resnet20_cifar", kind="B", **{**TINY, "num_classes": 3})
    assert load(other, Weights("a.pth", tensors)).reinitialised == ("fc.weight", "fc.bias")


def test_order_is_not_guessed() -> None:
    trained = drawn("resnet20_cifar", kind="B", **TINY)
    tensors = with_roles(trained)
    shuffled = dict(sorted(tensors.items()))  # bias before weight, of the same shape
    wrong = {
        "the order of safetensors": Weights("a", tensors, ordered=False),
        "roles": Weights("a", shuffled),
        "count": Weights("a", {**tensors, "more.weight": torch.zeros(3)}),
        "shape": Weights("a", dict(reversed(tensors.items()))),
    }
    for weights in wrong.values():
        with pytest.raises(RequestError, match=r"conv1.weight is missing in the file"):
            load(cardinet.create(trained.spec), weights)


def test_linear_layers_and_1x1_convolutions_are_one() -> None:
    trained = drawn("resnet20_cifar", kind="B", **TINY)
    state = trained.state_dict()
    made = cardinet.create(trained.spec)
    load(made, Weights("a.pth", {**state, "fc.weight": state["fc.weight"][:, :, None, None]}))
    assert torch.equal(made.get_parameter("fc.weight"), trained.fc.weight)
    for other in (state["conv1.weight"].transpose(0, 1), state["conv1.weight"].flatten(1)):
        with pytest.raises(RequestError, match=r"conv1\.weight is "):
            load(made, Weights("a.pth", {**state, "conv1.weight": other}))


def test_a_deeper_network_is_not_cut() -> None:
    deep = drawn("resnet20_cifar", kind="B", **{**TINY, "depths": (1, 1, 2)})
    with pytest.raises(RequestError, match=r"the network has no layer3.1.conv1.weight; .* and 7 more"):
        load(cardinet.create("resnet20_cifar", kind="B", **TINY), Weights("a.pth", deep.state_dict()))


def test_the_network_that_would_fit_is_named() -> None:
    state = cardinet.create("resnet34").state_dict()
    with pytest.raises(RequestError, match=r"They fit resnet34\."):
        match(cardinet.create("resnet18", device="meta"), Weights("a.pth", state))
    small = akamaster(drawn("resnet20_cifar"))
    with pytest.raises(RequestError, match=r"They fit resnet20_cifar\."):
        match(cardinet.create("resnet56_cifar", device="meta"), Weights("a.th", small))


KINDS = {("A", "B"): "B", ("A", "C"): "C", ("B", "C"): "C", ("C", "B"): "B", ("B", "A"): "A or identity or none"}


@pytest.mark.parametrize(("own", "files"), KINDS)
@pytest.mark.parametrize("classes", [7, 3])
def test_the_shortcut_that_would_fit_is_named(own: str, files: str, classes: int) -> None:
    state = akamaster(drawn("resnet20_cifar", kind=files, **{**TINY, "num_classes": classes}))
    state = {name.replace("shortcut", "downsample"): tensor for name, tensor in state.items()}
    made = cardinet.create("resnet20_cifar", kind=own, **TINY)
    kinds = KINDS[own, files]
    ways = " or ".join(f"--set shortcut.kind={kind}" for kind in kinds.split(" or "))
    with pytest.raises(RequestError, match=rf"They fit this network with shortcut\.kind = {kinds}: {ways}\.$"):
        load(made, Weights("a.th", state))


def test_a_file_with_the_network_twice() -> None:
    trained = drawn("resnet20_cifar", kind="B", **TINY)
    state: dict[str, Any] = trained.state_dict()

    def under(*prefixes: str) -> Weights:
        return Weights("a.pth", {prefix + name: t for prefix in prefixes for name, t in state.items()})

    found = load(cardinet.create(trained.spec), under("model.", "ema."))
    assert found.prefix == "model."
    assert found.sentences()[-1].startswith("Not used from the file: ema.conv1.weight, ")
    with pytest.raises(RequestError, match=r'several times, under "a\.", "b\."; save one of them'):
        load(cardinet.create(trained.spec), under("a.", "b."))


def test_integers_are_no_weights() -> None:
    trained = drawn("resnet20_cifar", kind="B", **TINY)
    state = trained.state_dict()
    with pytest.raises(RequestError, match=r"conv1\.weight holds int8 in the file, which is not a floating-point type"):
        load(cardinet.create(trained.spec), Weights("a.pth", {**state, "conv1.weight": state["conv1.weight"].char()}))
    half = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
    made = cardinet.create(trained.spec)
    load(made, Weights("a.pth", half))
    assert made.get_parameter("conv1.weight").dtype == torch.float32
    assert torch.equal(made.get_parameter("conv1.weight"), half["conv1.weight"].float())
