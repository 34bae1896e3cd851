"""Auxiliary heads: values and counts of torchvision's networks, what only training has, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import GoogLeNet, Inception3

from cardinet.base.errors import RequestError, WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.measure.counts import count
from cardinet.networks.registry import find, matching
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.runs.model_file import load_model
from cardinet.train.listener import Listener
from cardinet.train.methods import Conditions
from cardinet.train.methods.auxiliary_heads import AuxiliaryHeads, Heads, map_shapes
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.request import Request, Resolved, resolve
from cardinet.train.training_step import make_optimizer
from train.runs_to_compare import train
from train.test_methods import SHORT, every_step_is_shown

__all__ = ["every_step_is_shown"]


def conditions_for(side: int) -> Conditions:
    return replace(resolved().task.conditions, side=side, objective=CrossEntropy())


def resolved(**settings: Any) -> Resolved:
    return resolve(Request(settings=tuple((SHORT | settings).items())), Listener())


def heads_of(network: Classifier, method: AuxiliaryHeads, side: int) -> Heads:
    conditions = conditions_for(side)
    made = method.hooks(network, make_optimizer(network, conditions.optimizer), conditions)
    assert isinstance(made, Heads)
    return made


def load_by_order(mine: nn.Module, theirs: nn.Module) -> None:
    """Copy another library's tensors: both have the same shapes in the same order."""
    own, its = mine.state_dict(), theirs.state_dict()
    assert [tensor.shape for tensor in own.values()] == [tensor.shape for tensor in its.values()]
    mine.load_state_dict(dict(zip(own, its.values(), strict=True)))


def googlenet() -> tuple[Classifier, nn.Module, list[nn.Module], AuxiliaryHeads]:
    theirs = GoogLeNet(num_classes=10, aux_logits=True, init_weights=False, dropout=0.0, dropout_aux=0.0)
    ours = build(matching("torchvision:googlenet")[0].spec.but(num_classes=10, dropout=0.0))
    return ours, theirs, [theirs.aux1, theirs.aux2], AuxiliaryHeads(dropout=0.0, grid=4)


def inception() -> tuple[Classifier, nn.Module, list[nn.Module], AuxiliaryHeads]:
    theirs = Inception3(num_classes=10, aux_logits=True, init_weights=False, dropout=0.0)
    ours = build(find("inception_v3").spec.but(num_classes=10, dropout=0.0))
    return ours, theirs, [theirs.AuxLogits], AuxiliaryHeads()


@pytest.mark.long
@pytest.mark.parametrize(("kind", "side", "weight"), [(googlenet, 224, 0.3), (inception, 299, 0.4)])
def test_logits_loss_and_gradients_are_torchvisions(kind: Any, side: int, weight: float) -> None:
    """In float64, with torchvision's weights; GoogLeNet's logits are (main, second head, first head) there."""
    torch.manual_seed(0)
    ours, theirs, their_heads, method = kind()
    assert next(iter(method.heads(ours).values())).weight == weight
    body = copy.deepcopy(theirs)
    for name in ("aux1", "aux2", "AuxLogits"):
        if hasattr(body, name):
            delattr(body, name)
    load_by_order(ours, body)
    hooks = heads_of(ours, method, side)
    for mine, other in zip(hooks.heads, their_heads, strict=True):
        load_by_order(mine, other)
    ours, theirs = ours.double().train(), theirs.double().train()
    hooks.heads.double()
    pixels, labels = torch.randn(2, 3, side, side, dtype=torch.float64), torch.tensor([3, 7])
    main, *others = theirs(pixels)
    expected = F.cross_entropy(main, labels) + weight * sum(F.cross_entropy(other, labels) for other in others)
    expected.backward()
    logits = ours(pixels)
    answers = list(hooks.answers)
    torch.testing.assert_close(logits, main, rtol=1e-9, atol=1e-10)
    for answer, other in zip(answers, reversed(others), strict=True):
        torch.testing.assert_close(answer, other, rtol=1e-9, atol=1e-10)
    loss = hooks.loss(F.cross_entropy(logits, labels), logits, pixels, labels)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
    loss.backward()
    pairs = [*zip(ours.parameters(), body_parameters(theirs), strict=True)]
    for mine, other in zip(hooks.heads, their_heads, strict=True):
        pairs += zip(mine.parameters(), other.parameters(), strict=True)
    for own, its in pairs:
        assert own.grad is not None
        assert its.grad is not None
        torch.testing.assert_close(own.grad, its.grad, rtol=1e-6, atol=1e-9)


def body_parameters(network: nn.Module) -> list[nn.Parameter]:
    return [p for name, p in network.named_parameters() if not name.startswith(("aux", "AuxLogits"))]


@pytest.mark.parametrize(
    ("id", "side", "whole"), [("torchvision:googlenet", 224, 13_004_888), ("inception_v3", 299, 27_161_264)]
)
def test_counts_with_heads_are_torchvisions(id: str, side: int, whole: int) -> None:
    """torchvision's figures count the heads; the network alone is what the papers count."""
    network = build((matching(id)[0] if ":" in id else find(id)).spec, device="meta")
    method = AuxiliaryHeads(grid=4 if "google" in id else None)
    heads = method.heads(network)
    shapes = map_shapes(network, heads, side)
    modules = [method.made(head, shapes[name], network, meta=True) for name, head in heads.items()]  # type: ignore[arg-type]
    own = sum(p.numel() for p in network.parameters())
    assert own + sum(p.numel() for module in modules for p in module.parameters()) == whole
    assert count(network, side, 3).params == own


def test_the_papers_head_of_googlenet() -> None:
    """Section 5: 4a has 4x4x512 after the pool, 4d 4x4x528; 128 maps, 1024 units, 1000 classes; biases and no BN."""
    network = build(find("googlenet").spec, device="meta")
    method = AuxiliaryHeads()
    heads = method.heads(network)
    shapes = map_shapes(network, heads, 224)
    assert shapes == {"layer2.1": (512, 14, 14), "layer2.4": (528, 14, 14)}
    for name, channels in (("layer2.1", 512), ("layer2.4", 528)):
        head = heads[name]
        assert (head.weight, head.dropout, head.pool) == (0.3, 0.7, (5, 3))
        shape = shapes[name]
        assert shape is not None
        made = method.made(head, shape, network, meta=True)
        expected = channels * 128 + 128 + (4 * 4 * 128 + 1) * 1024 + 1025 * 1000
        assert sum(p.numel() for p in made.parameters()) == expected


GOOGLE: dict[str, Any] = SHORT | {"methods": "AuxiliaryHeads(at=layer1, kind=googlenet, grid=2, dropout=0.5)"}


def test_only_training_has_the_heads(tmp_path: Path) -> None:
    folder = train(tmp_path / "run", GOOGLE | {"length": "6 steps", "evaluate_every": "6 steps"})
    tensors = load_checkpoint(folder.last)[0]
    saved = [name for name in tensors if name.startswith("method.AuxiliaryHeads.")]
    assert len(saved) == 10
    assert sum(name.startswith("optimizer.method.AuxiliaryHeads.") for name in tensors) == 7
    kept = load_model(folder.model).network
    plain = build(
        find("resnet20_cifar").spec.but(depths=(1, 1, 1), widths=(4, 8, 16), in_channels=1, **{"stem.width": 4})
    )
    assert kept.state_dict().keys() == plain.state_dict().keys()
    assert any("Auxiliary heads add their losses" in note for note in folder.record().notes)


@pytest.mark.long
def test_the_heads_teach(tmp_path: Path) -> None:
    """The first layers get another gradient, and the heads are trained with decay, momentum and all."""
    without = train(tmp_path / "plain", SHORT)
    folder = train(tmp_path / "run", GOOGLE)
    mine, its = (load_checkpoint(one.last)[0]["model.conv1.weight"] for one in (folder, without))
    assert not torch.equal(mine, its)
    losses = [row["loss"] for row in folder.rows() if row["kind"] == "train"]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.long
def test_a_run_with_recomputation_and_parts_has_the_same_bits(tmp_path: Path) -> None:
    """Without dropout: a head inside a recomputed unit reads the map of the first pass."""
    settings = SHORT | {"methods": "AuxiliaryHeads(at=[layer1.0, layer2.0.conv1], grid=5)", "length": "12 steps"}
    settings |= {"accumulate": 2, "evaluate_every": "12 steps"}
    runs = [train(tmp_path / str(i), settings | {"recompute": bool(i)}) for i in range(2)]
    one, other = (load_checkpoint(folder.last)[0] for folder in runs)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.long
@pytest.mark.parametrize("more", [", WeightAverage(decay=0.9)", ", Mixup"])
def test_with_other_methods(tmp_path: Path, more: str) -> None:
    folder = train(tmp_path / "run", GOOGLE | {"methods": GOOGLE["methods"] + more, "length": "8 steps"})
    assert "method.AuxiliaryHeads.0.fc.weight" in load_checkpoint(folder.last)[0]


WRONG = {
    "AuxiliaryHeads": "this network's paper has no auxiliary heads; name the maps that they read",
    "AuxiliaryHeads(at=layer9)": 'the network has no map "layer9" (nearest: layer',
    "AuxiliaryHeads(at=fc)": 'the network has no map "fc"',
    "AuxiliaryHeads(at=layer1, weight=0)": "greater than 0",
    "AuxiliaryHeads(at=layer3)": "the map of layer3 has 2 x 2 pixels, too few for the pool and the convolutions",
    "AuxiliaryHeads(at=layer1, kind=vgg)": "'googlenet' or 'inception'",
}


@pytest.mark.parametrize("method", WRONG)
def test_what_is_refused(method: str) -> None:
    with pytest.raises(RequestError) as caught:
        resolved(methods=method)
    assert WRONG[method] in str(caught.value)


def test_pictures_that_are_too_small_are_one_finding() -> None:
    own = {"network.id": "inception_v3", "size": 32}
    wanted = tuple((SHORT | own | {"methods": "AuxiliaryHeads"}).items())
    settings = tuple((key, value) for key, value in wanted if key not in ("depths", "widths", "stem.width"))
    with pytest.raises(RequestError, match="shrinks pictures of 32 x 32 pixels to nothing") as caught:
        resolve(Request(settings=settings), Listener())
    assert len(caught.value.findings) == 1


def test_maps_that_are_two() -> None:
    method, conditions = AuxiliaryHeads(at=("layer1",), grid=5), conditions_for(32)
    network = build(find("dfn_mr1").spec.but(depths=(1, 1, 1)), device="meta")
    with pytest.raises(RequestError, match=r"AuxiliaryHeads.at: layer1 gives no single map \(N, C, H, W\)"):
        method.check(network, conditions)


def test_the_memory_counts_the_heads() -> None:
    plain, small, large = (
        resolved(methods=method).memory
        for method in ("none", "AuxiliaryHeads(at=layer1, grid=5)", "AuxiliaryHeads(at=layer1, kind=googlenet, grid=9)")
    )
    assert plain.per_picture < small.per_picture
    assert large.fixed - plain.fixed > 4 * 4 * 81 * 128 * 1024


def test_heads_of_another_run_are_refused() -> None:
    network = build(find("resnet20_cifar").spec)
    hooks = heads_of(network, AuxiliaryHeads(at=("layer1",), grid=5), 32)
    state: Mapping[str, Tensor] = {name: tensor for name, tensor in hooks.state().items() if "fc" not in name}
    with pytest.raises(WorkError, match="does not have the auxiliary heads of this run"):
        hooks.restore(state)
