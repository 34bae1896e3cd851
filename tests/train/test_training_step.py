"""One step against formulas and against a loop written by hand, with the rules of SGD spelled out in float64."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.base.randomness import permutation
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import open_source
from cardinet.networks.registry import find
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.optimizers.sgd import SGD
from cardinet.train.training_step import NonFinite, forward_backward, make_optimizer, update
from train.runs_to_compare import train

SPEC = find("resnext11_8x16d_digits").spec


@pytest.fixture
def network() -> Classifier:
    """In float64, with statistics that are not the initial ones."""
    torch.manual_seed(3)
    made = build(SPEC).double().train()
    with torch.no_grad():
        made(torch.randn(64, 1, 8, 8, dtype=torch.float64))
    return made


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    pixels = torch.randn(22, 1, 8, 8, dtype=torch.float64, generator=generator)
    return pixels, torch.randint(0, 10, (22,), generator=generator)


def gradients(network: Classifier) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("parts", [2, 3, 5, 22, 100])
def test_accumulated_parts_are_the_whole_batch(network: Classifier, batch: tuple[Tensor, Tensor], parts: int) -> None:
    """Also where the parts are unequal, and where more are asked for than there are pictures."""
    network.eval()
    whole = forward_backward(network, *batch, CrossEntropy(label_smoothing=0.1))
    expected = gradients(network)
    network.zero_grad()
    loss, wrong = forward_backward(network, *batch, CrossEntropy(label_smoothing=0.1), parts=parts)
    assert loss.item() == pytest.approx(whole[0].item(), rel=1e-12)
    assert wrong.item() == whole[1].item() == 22 - (network(batch[0]).argmax(1) == batch[1]).sum().item()
    found = gradients(network)
    assert found.keys() == expected.keys()
    assert len(found) == 41
    for name, gradient in expected.items():
        assert (found[name] - gradient).abs().max() <= 1e-12 * max(1.0, gradient.abs().max().item()), name


def test_smoothed_labels_by_their_formula(network: Classifier, batch: tuple[Tensor, Tensor]) -> None:
    """(1 - e) of the weight on the truth and e / 10 on each of the ten classes (Szegedy et al. 2015)."""
    pixels, labels = batch
    loss, _ = forward_backward(network.eval(), pixels, labels, CrossEntropy(label_smoothing=0.1))
    logits = network(pixels).detach()
    surprise = logits.exp().sum(1).log()[:, None] - logits
    expected = [(0.9 * s[y] + 0.1 / 10 * s.sum()).item() for s, y in zip(surprise, labels, strict=True)]
    assert loss.item() == pytest.approx(sum(expected) / len(expected), rel=1e-12)


@pytest.mark.parametrize(("clip", "scale"), [(None, 1.0), (1e6, 1.0), (0.25, 0.25)])
def test_clip_bounds_the_norm(network: Classifier, clip: float | None, scale: float) -> None:
    """Gradients of norm 1 in all, plain SGD: the parameters move by lr * scale * gradient."""
    optimizer = make_optimizer(network, SGD(momentum=0, nesterov=False, weight_decay=0))
    count = sum(p.numel() for p in network.parameters())
    before = copy.deepcopy(network.state_dict())
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 1 / math.sqrt(count))
    update(network, optimizer, 0.5, clip)
    for name, parameter in network.named_parameters():
        expected = before[name] - 0.5 * scale / math.sqrt(count)
        torch.testing.assert_close(parameter.detach(), expected, rtol=0, atol=1e-8)
        assert parameter.grad is None


def test_a_gradient_without_a_norm_is_refused_before_the_parameters_change(network: Classifier) -> None:
    optimizer = make_optimizer(network, SGD())
    before = copy.deepcopy(network.state_dict())
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, math.inf)
    with pytest.raises(NonFinite, match="the norm of the gradient is inf"):
        update(network, optimizer, 0.5, clip=1.0)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("all_decay", [True, False])
def test_what_decays(network: Classifier, all_decay: bool) -> None:
    """Without a gradient a parameter shrinks by 1 - lr * decay, or stays: norms and biases, as the settings say."""
    settings = SGD(momentum=0, nesterov=False, weight_decay=0.2, decay_norms_and_biases=all_decay)
    optimizer = make_optimizer(network, settings)
    before = copy.deepcopy(network.state_dict())
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    update(network, optimizer, 0.5, None)
    stayed = set()
    for name, parameter in network.named_parameters():
        if not before[name].any():
            continue  # the biases of the norms begin at zero and show nothing
        if torch.equal(parameter.detach(), before[name]):
            stayed.add(name)
        else:
            torch.testing.assert_close(parameter.detach(), before[name] * 0.9, rtol=1e-12, atol=0)
    norms = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert len(norms) == 13
    assert stayed == (set() if all_decay else norms | {"fc.bias"})


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("all_decay", [True, False])
def test_five_steps_by_hand(network: Classifier, batch: tuple[Tensor, Tensor], nesterov: bool, all_decay: bool) -> None:
    """v <- m v + (g + d p); p <- p - lr (g + d p + m v) with Nesterov, p - lr v without (torch's convention)."""
    momentum, decay, rates = 0.9, 5e-3, [0.01, 0.1, 0.1, 0.05, 0.001]
    settings = SGD(momentum=momentum, nesterov=nesterov, weight_decay=decay, decay_norms_and_biases=all_decay)
    by_hand, (pixels, labels) = copy.deepcopy(network), batch
    optimizer = make_optimizer(network, settings)
    velocity = {name: torch.zeros_like(p) for name, p in by_hand.named_parameters()}
    for rate in rates:
        loss, _ = forward_backward(network, pixels, labels, CrossEntropy())
        update(network, optimizer, rate, None)
        own = -by_hand(pixels).log_softmax(1)[torch.arange(len(labels)), labels].mean()
        found = torch.autograd.grad(own, list(by_hand.parameters()))
        with torch.no_grad():
            for (name, p), g in zip(by_hand.named_parameters(), found, strict=True):
                g = g + (decay if p.ndim > 1 or all_decay else 0.0) * p
                velocity[name] = momentum * velocity[name] + g
                p.sub_(rate * (g + momentum * velocity[name] if nesterov else velocity[name]))
        assert loss.item() == pytest.approx(own.item(), rel=1e-10)
    for name, tensor in by_hand.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor, rtol=1e-9, atol=1e-11, msg=name)


def test_a_run_is_the_plain_loop(tmp_path: Path) -> None:
    """Six steps of the recipe quick with a rate that stays, without Cardinet's batches, loss, loop or optimizer."""
    settings = {"length": "6 steps", "schedule.kind": "constant", "warmup": "0 steps", "pad": 0, "log_every": "1 step"}
    settings |= {"lr": 0.1, "weight_decay": 5e-4, "label_smoothing": 0.0}
    run = train(tmp_path / "run", settings)
    source = open_source("digits", DataSettings())
    split, record = source.splits["train"], run.record()
    assert split.images is not None
    mean, std = record.preprocessing.mean[0], record.preprocessing.std[0]
    torch.manual_seed(0)
    network = build(SPEC).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    chosen, losses = permutation(0, 0, len(split)), []
    for step in range(6):
        index = torch.from_numpy(chosen[32 * step : 32 * (step + 1)])
        pixels = (split.images[index].float() / 255 - mean) / std
        loss = F.cross_entropy(network(pixels), torch.from_numpy(split.labels)[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert [row["loss"] for row in run.rows() if row["kind"] == "train"] == pytest.approx(losses, abs=1e-5)
    tensors = load_checkpoint(run.last)[0]
    assert len(network.state_dict()) == 80
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensors[f"model.{name}"], tensor, rtol=1e-5, atol=1e-6, msg=name)
