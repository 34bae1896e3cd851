"""The table of optimizers: steps by hand, and states that come back slot by slot in their own shapes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.optim.lamb import Lamb
from timm.optim.rmsprop_tf import RMSpropTF
from torch import Tensor, nn

from cardinet.base.errors import WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.measure.memory import network_bytes
from cardinet.networks.registry import find
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.runs.results import final_results
from cardinet.train.estimate import step_memory
from cardinet.train.listener import Listener
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.optimizers import Optimizer
from cardinet.train.optimizers.adamw import AdamW
from cardinet.train.optimizers.lamb import LAMB
from cardinet.train.optimizers.rmsprop import RMSProp
from cardinet.train.optimizers.sgd import SGD
from cardinet.train.recipe import OPTIMIZERS
from cardinet.train.request import Request, resolve
from cardinet.train.state import capture, restore
from cardinet.train.trainee import Trainee
from cardinet.train.training_step import forward_backward, make_optimizer, update
from train.runs_to_compare import DIGITS, differences, train
from train.test_exact_resume import stop_and_resume

CASES: dict[str, Optimizer] = {
    "AdamW": AdamW(lr=0.01),
    "LAMB": LAMB(lr=0.01, betas=(0.8, 0.95), weight_decay=0.3),
    "LAMB, all decays": LAMB(lr=0.01, decay_norms_and_biases=True),
    "RMSProp": RMSProp(lr=0.1, weight_decay=0.2),
    "RMSProp, no momentum": RMSProp(lr=0.1, momentum=0, rho=0.99, eps=0.1),
    "RMSProp, torch": RMSProp(lr=0.01, weight_decay=0.2, variant="torch", rho=0.95, eps=1e-3),
    "SGD": SGD(lr=0.01),
}
ADAM = {"step", "exp_avg", "exp_avg_sq"}
SLOTS = {
    "AdamW": ADAM,
    "LAMB": ADAM,
    "LAMB, all decays": ADAM,
    "RMSProp": {"square_avg", "momentum_buffer"},
    "RMSProp, no momentum": {"square_avg"},
    "RMSProp, torch": {"step", "square_avg", "momentum_buffer"},
    "SGD": {"momentum_buffer"},
}

Peer = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
PEERS: dict[str, Peer] = {
    "AdamW": lambda groups: torch.optim.AdamW(groups),
    "LAMB": lambda groups: Lamb(groups, betas=(0.8, 0.95), max_grad_norm=None),
    "LAMB, all decays": lambda groups: Lamb(groups, max_grad_norm=None),
    "RMSProp": lambda groups: RMSpropTF(groups, momentum=0.9, eps=1.0),
    "RMSProp, no momentum": lambda groups: RMSpropTF(groups, alpha=0.99, eps=0.1),
    "RMSProp, torch": lambda groups: torch.optim.RMSprop(groups, alpha=0.95, eps=1e-3, momentum=0.9, foreach=False),
    "SGD": lambda groups: torch.optim.SGD(groups, momentum=0.9, nesterov=True),
}
"""The same optimizer of torch or timm. timm's Lamb follows apex's; its bound on the gradient's norm is off here."""


@pytest.mark.parametrize(("optimizer", "states"), [("SGD", 1), ("AdamW", 2), ("LAMB", 2), ("RMSProp", 2)])
def test_the_memory_of_a_step_counts_the_states(optimizer: str, states: int) -> None:
    settings = (("network.id", "resnet20_cifar"), ("optimizer", optimizer))
    found = resolve(Request(settings=settings), Listener())
    plain = step_memory(found.network, found.task.recipe, 8, found.task.clock.batch_size, "float32")
    own = 4 * sum(p.numel() for p in found.network.parameters())
    checkpoint = network_bytes(found.network) + states * own  # the copy that is written beside the steps
    assert found.memory.fixed - plain.fixed == (states - 1) * own + checkpoint


def network() -> Classifier:
    torch.manual_seed(0)
    made = find("resnet20_cifar").spec.but(depths=(1, 1, 1), widths=(4, 8, 16), in_channels=1, **{"stem.width": 4})
    return build(made).double().train()


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 1, 8, 8, dtype=torch.float64, generator=generator), torch.arange(6)


def test_every_optimizer_is_tried() -> None:
    assert CASES.keys() == SLOTS.keys() == PEERS.keys()
    assert {type(settings).__name__ for settings in CASES.values()} == OPTIMIZERS.rows.keys()


@pytest.mark.parametrize("layer_decay", [1.0, 0.6])
@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_an_independent_implementation(
    batch: tuple[Tensor, Tensor], name: str, layer_decay: float
) -> None:
    """In float64, with changing rates, with and without decay, with the rates of layers: every parameter."""
    settings = CASES[name].model_copy(update={"layer_decay": layer_decay})
    made = network()
    theirs, optimizer = copy.deepcopy(made), make_optimizer(made, settings)
    shares = {"conv1": 4, "bn1": 4, "layer1": 3, "layer2": 2, "layer3": 1, "fc": 0}
    groups = [
        {"params": [p], "weight_decay": settings.weight_decay if decays else 0.0, "share": layer_decay ** shares[layer]}
        for layer, p in ((n.partition(".")[0], p) for n, p in theirs.named_parameters())
        if (decays := p.ndim > 1 or settings.decay_norms_and_biases) in (True, False)
    ]
    peer = PEERS[name](groups)
    for rate in (0.01, 0.02, 0.005, 0.01, 0.02):
        forward_backward(made, *batch, CrossEntropy())
        update(made, optimizer, rate, None)
        nn.functional.cross_entropy(theirs(batch[0]), batch[1]).backward()
        for group in peer.param_groups:
            group["lr"] = rate * group["share"]
        peer.step()
        peer.zero_grad()
    start = network()
    for parameter, tensor in theirs.named_parameters():
        torch.testing.assert_close(made.get_parameter(parameter), tensor, rtol=1e-9, atol=1e-12, msg=parameter)
        assert not torch.equal(start.get_parameter(parameter), tensor), parameter


@pytest.mark.parametrize("name", [name for name in CASES if "no momentum" not in name])
def test_a_momentum_that_moves_is_that_of_the_group(batch: tuple[Tensor, Tensor], name: str) -> None:
    """As torch's OneCycleLR moves it: by the key of the group. A group with a momentum of its own keeps it."""
    settings = CASES[name].model_copy(update={"weight_decay": 0.0})
    made = network()
    theirs, (own,) = copy.deepcopy(made), [{"params": [made.fc.weight], "weight_decay": 0.0, "momentum": 0.3}]
    key = "betas" if "betas" in settings.defaults() else "momentum"
    if key == "betas":
        own = {**own, "betas": (0.3, 0.9)}
    optimizer = make_optimizer(made, settings, [own])
    others = [p for n, p in theirs.named_parameters() if n != "fc.weight"]
    peer = PEERS[name]([{"params": [theirs.fc.weight]}, {"params": others}])
    peer.param_groups[0][key] = own[key]
    for group in peer.param_groups:
        group["lr"], group["weight_decay"] = 0.01, 0.0
    for momentum in (0.95, 0.9, 0.85, 0.95):
        forward_backward(made, *batch, CrossEntropy())
        update(made, optimizer, 0.01, None, momentum)
        nn.functional.cross_entropy(theirs(batch[0]), batch[1]).backward()
        peer.param_groups[1][key] = (momentum, settings.betas[1]) if key == "betas" else momentum  # type: ignore[attr-defined]
        peer.step()
        peer.zero_grad()
    for parameter, tensor in theirs.named_parameters():
        torch.testing.assert_close(made.get_parameter(parameter), tensor, rtol=1e-9, atol=1e-12, msg=parameter)


@pytest.mark.parametrize(("weight", "gradient"), [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (3.0, 2.0), (1e-9, 1.0)])
def test_the_ratio_of_lamb_where_a_norm_is_zero(weight: float, gradient: float) -> None:
    """As in timm: the ratio is 1 there."""
    made = [nn.Parameter(torch.full((2, 3), weight, dtype=torch.float64)) for _ in range(2)]
    ours = LAMB().make([{"params": made[:1], "weight_decay": 0.02}])
    timms = Lamb(made[1:], lr=0.005, weight_decay=0.02, max_grad_norm=None)
    for _ in range(2):
        for parameter in made:
            parameter.grad = torch.full_like(parameter, gradient)
        ours.step()
        timms.step()
    torch.testing.assert_close(made[0], made[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("all_decay", [True, False])
def test_adamw_by_hand(batch: tuple[Tensor, Tensor], all_decay: bool) -> None:
    """Loshchilov and Hutter 2017, Algorithm 2, as torch has it: the decay is lr * weight_decay * w."""
    settings = AdamW(lr=1.0, weight_decay=0.3, betas=(0.8, 0.95), eps=1e-3, decay_norms_and_biases=all_decay)
    made = network()
    by_hand, optimizer = copy.deepcopy(made), make_optimizer(made, settings)
    first = {name: torch.zeros_like(p) for name, p in by_hand.named_parameters()}
    second = copy.deepcopy(first)
    for step, rate in enumerate((0.01, 0.02, 0.005, 0.01), 1):
        forward_backward(made, *batch, CrossEntropy())
        update(made, optimizer, rate, None)
        own = nn.functional.cross_entropy(by_hand(batch[0]), batch[1])
        found = torch.autograd.grad(own, list(by_hand.parameters()))
        with torch.no_grad():
            for (name, p), g in zip(by_hand.named_parameters(), found, strict=True):
                p.mul_(1 - rate * (0.3 if p.ndim > 1 or all_decay else 0.0))
                first[name] = 0.8 * first[name] + 0.2 * g
                second[name] = 0.95 * second[name] + 0.05 * g**2
                mean, square = first[name] / (1 - 0.8**step), second[name] / (1 - 0.95**step)
                p.sub_(rate * mean / (square.sqrt() + 1e-3))
    for name, tensor in by_hand.named_parameters():
        torch.testing.assert_close(made.get_parameter(name), tensor, rtol=1e-9, atol=1e-11, msg=name)


@pytest.mark.parametrize("name", CASES)
def test_a_state_comes_back_slot_by_slot(batch: tuple[Tensor, Tensor], name: str) -> None:
    """With its shapes, types and layouts, and it steps on to the same bits."""

    def begun() -> Trainee:
        made = network()
        return Trainee(made, make_optimizer(made, CASES[name]))

    def step(subject: Trainee) -> None:
        forward_backward(subject.network, *batch, CrossEntropy())
        update(subject.network, subject.optimizer, 0.01, None)

    whole, again = begun(), begun()
    step(whole)
    saved = {key: tensor.clone(memory_format=torch.contiguous_format) for key, tensor in capture(whole).items()}
    slots = {key.rpartition(".")[2] for key in saved if key.startswith("optimizer.")}
    assert slots == SLOTS[name]
    restore(again, saved)
    for parameter in whole.network.parameters():
        large = sum(tensor.shape == parameter.shape for tensor in whole.optimizer.state[parameter].values())
        assert 0 < large <= CASES[name].STATES
    for one, other in zip(whole.network.parameters(), again.network.parameters(), strict=True):
        mine, theirs = whole.optimizer.state[one], again.optimizer.state[other]
        assert mine.keys() == theirs.keys() == SLOTS[name]
        for slot, tensor in mine.items():
            assert (tensor.shape, tensor.dtype, tensor.stride()) == (
                theirs[slot].shape,
                theirs[slot].dtype,
                theirs[slot].stride(),
            )
    step(whole)
    step(again)
    found = capture(again)
    assert all(torch.equal(found[key], tensor) for key, tensor in capture(whole).items())


@pytest.mark.parametrize(
    ("optimizer", "schedule", "slots"),
    [
        ("AdamW(lr=0.003, weight_decay=0.1)", 'Cosine(warmup="10 steps")', ADAM),
        ("LAMB(lr=0.01, layer_decay=0.7)", 'OneCycle(warmup="20 steps", momenta=[0.85, 0.95])', ADAM),
        pytest.param(
            "RMSProp(lr=0.02)",
            'CosineRestarts(restart_after="11 steps")',
            {"square_avg", "momentum_buffer"},
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_run_resumes_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str, schedule: str, slots: set[str]
) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})
    settings = DIGITS | {"optimizer": optimizer, "schedule": schedule, "threads": 1}
    whole = train(tmp_path / "whole", settings).path
    out = stop_and_resume(tmp_path / "run", settings, [(7, "signal"), (30, "crash")])
    assert differences(out, whole) == []
    errors = final_results(out / "evaluation.json").figures()
    assert errors["test"]["error"] < 0.4, errors  # it learns: chance is 0.9
    names = {name.rpartition(".")[2] for name in load_checkpoint(out / "checkpoints/last.safetensors")[0]}
    assert slots <= names


class Signs(Optimizer):
    """w <- w - lr * sign(m), m <- 0.9 m + g + weight_decay * w: a rule that torch does not have."""

    def move(self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        mean = state.setdefault("mean", torch.zeros_like(parameter))
        mean.mul_(0.9).add_(gradient).add_(parameter, alpha=group["weight_decay"])
        parameter.sub_(mean.sign(), alpha=group["lr"])


def test_a_rule_of_ones_own(batch: tuple[Tensor, Tensor]) -> None:
    """By hand, with the rates of a schedule; its state is in the checkpoint."""
    made = network()
    by_hand, optimizer = copy.deepcopy(made), make_optimizer(made, Signs(weight_decay=0.1))
    means = {name: torch.zeros_like(p) for name, p in by_hand.named_parameters()}
    for rate in (0.01, 0.02, 0.01):
        forward_backward(made, *batch, CrossEntropy())
        update(made, optimizer, rate, None)
        own = nn.functional.cross_entropy(by_hand(batch[0]), batch[1])
        found = torch.autograd.grad(own, list(by_hand.parameters()))
        with torch.no_grad():
            for (name, p), g in zip(by_hand.named_parameters(), found, strict=True):
                means[name] = 0.9 * means[name] + g + 0.1 * p
                p.sub_(rate * means[name].sign())
    for name, tensor in by_hand.named_parameters():
        torch.testing.assert_close(made.get_parameter(name), tensor, rtol=1e-9, atol=1e-11, msg=name)
    saved = capture(Trainee(made, optimizer))
    assert sum(key.endswith(".mean") for key in saved) == len(means)


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        ("optimizer.nosuch.step", (), "an entry for no parameter of its network"),
        ("optimizer.fc.bias.momentum_buffer", (11,), "an entry that is larger than its parameter"),
    ],
)
def test_a_slot_that_can_be_no_optimizers_is_refused(key: str, shape: tuple[int, ...], message: str) -> None:
    made = network()
    subject = Trainee(made, make_optimizer(made, SGD()))
    with pytest.raises(WorkError, match=message):
        restore(subject, {**capture(subject), key: torch.zeros(shape)})


def test_what_is_no_tensor_is_not_left_out_in_silence(batch: tuple[Tensor, Tensor]) -> None:
    made = network()
    subject = Trainee(made, make_optimizer(made, SGD()))
    state: dict[str, Any] = subject.optimizer.state[next(made.parameters())]
    state["count"] = 3
    with pytest.raises(TypeError, match="SGD keeps count = 3 of a parameter: only tensors are saved exactly"):
        capture(subject)
