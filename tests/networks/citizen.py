"""What every network has to do as a torch module: checks that return what they found and raise where it fails."""

from __future__ import annotations

import copy
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from cardinet.blocks.classifier import Classifier
from cardinet.blocks.features import FeatureNetwork
from cardinet.blocks.fractalnet import Paths
from cardinet.blocks.merge import StochasticDepth, Swapout
from cardinet.build.builder import build
from cardinet.networks.family import Named

SIDES = {"AlexNet": 67, "GoogLeNet": 64, "Highway": 28, "Inception": 107}
"""Sides of pictures by family, in pixels; else two pixels of the last feature map, as far as the paper's go."""

GIANT = 60e6
"""Parameters from which on a network for pictures above 32 pixels takes two training steps on reduced ones."""

PASSES = 60
"""Training passes within which a rule that skips blocks has to open every block once."""


@dataclass(frozen=True)
class Subject:
    """A row's network, or a variant of it, and two pictures of the smallest size that suits it."""

    row: Named
    network: Classifier
    x: Tensor

    def copy(self, training: bool) -> Classifier:
        return copy.deepcopy(self.network).train(training)


def side(row: Named) -> int:
    """The side of small pictures."""
    stride: int = row.spec.stride
    return min(row.input_size, SIDES.get(row.family, 2 * stride))


def untrained(row: Named, spec: Any = None) -> Subject:
    """The network of a row, or of a variant of it."""
    torch.manual_seed(0)
    network = build(spec or row.spec)
    return Subject(row, network, torch.randn(2, row.spec.in_channels, side(row), side(row)))


def subject(row: Named, spec: Any = None, pictures: int = 2) -> Subject:
    """The network with BN statistics from four batches of pictures, without which deep ones overflow in eval mode."""
    it = untrained(row, spec)
    network = it.network
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 0.5
        for _ in range(4):
            network.train()(torch.randn(pictures, *it.x.shape[1:]))
        for norm in norms:
            norm.momentum = 0.1
    network.eval()
    return it


def skips(network: nn.Module) -> bool:
    """Whether a rule skips blocks in training, by a draw that Python branches on."""
    return any(
        (isinstance(m, StochasticDepth) and m.per == "batch" and m.survival < 1)
        or (isinstance(m, Paths) and (m.drop_path > 0 or m.global_share > 0))
        for m in network.modules()
    )


def draws(network: nn.Module) -> bool:
    """Whether training draws random numbers."""
    dropouts = (m for m in network.modules() if isinstance(m, nn.Dropout | nn.Dropout2d))
    rules = any(isinstance(m, StochasticDepth | Swapout) for m in network.modules())
    return skips(network) or rules or any(m.p > 0 for m in dropouts)


def same(found: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    """Equal to a share of the largest value, which is finite and not zero."""
    largest = expected.detach().abs().max().item()
    assert 0 < largest < float("inf"), f"largest value {largest}"
    difference = (found - expected).detach().abs().max().item()
    assert difference <= tolerance * largest, f"{difference:g} of {largest:g}"


@contextmanager
def quiet(*messages: str) -> Iterator[None]:
    """Within it torch's own deprecation messages are no errors."""
    with warnings.catch_warnings():
        for message in messages:
            warnings.filterwarnings("ignore", message)
        yield


def meta(it: Subject) -> str:
    """Building allocates nothing and takes less than 2 s (seconds)."""
    started = time.perf_counter()
    network = build(it.network.spec, device="meta")
    seconds = time.perf_counter() - started
    assert all(tensor.is_meta for tensor in network.state_dict().values())
    return f"{seconds:.2f}"


def info(it: Subject) -> str:
    """`cardinet info` in a new process (seconds)."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "cardinet", "info", it.row.id], check=True, stdout=subprocess.DEVNULL)
    return f"{time.perf_counter() - started:.1f}"


def steps(it: Subject, pixels: int | None = None) -> str:
    """Two training steps, after which every parameter has had a finite gradient (the number of passes).

    From the initial weights of its paper: a ResNeSt-269 whose units are all open at first, as torchvision's rule would
    have it, has gradients of 1e13. Where a rule skips blocks the passes go on until each has been open.
    """
    torch.manual_seed(0)
    network = build(it.network.spec, init="paper").train()
    x = it.x if pixels is None else torch.randn(2, it.row.spec.in_channels, pixels, pixels)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    targets = torch.tensor([0, network.num_classes - 1])
    missing = {name for name, _ in network.named_parameters()}
    for i in range(1, PASSES if skips(network) else 3):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), targets)
        loss.backward()
        assert loss.isfinite(), f"loss {loss.item()} in pass {i}"
        for name, parameter in network.named_parameters():
            if parameter.grad is not None:
                assert parameter.grad.isfinite().all(), f"gradient of {name} in pass {i}"
                missing.discard(name)
        optimizer.step()
        if i >= 2 and not missing:
            break
    assert not missing, f"no gradient: {sorted(missing)[:5]}"
    return str(i)


def compiled_eval(it: Subject) -> str:
    """`torch.compile` with fullgraph in eval mode: the same logits."""
    return _compiled(it, "aot_eager", training=False)


def compiled_train(it: Subject) -> str:
    """`torch.compile` with fullgraph in train mode: the same logits and gradients, unless training draws."""
    return "skips" if skips(it.network) else _compiled(it, "aot_eager", training=True)


def inductor(it: Subject) -> str:
    """`torch.compile` with fullgraph and its own backend, in both modes."""
    _compiled(it, "inductor", training=False)
    return "skips" if skips(it.network) else _compiled(it, "inductor", training=True)


def _compiled(it: Subject, backend: str, *, training: bool) -> str:
    network, eager = it.copy(training), it.copy(training)
    torch._dynamo.reset()
    try:
        compiled = torch.compile(network, backend=backend, fullgraph=True)
        if not training:
            with torch.no_grad():
                same(compiled(it.x), eager(it.x), 1e-3)
            return "yes"
        logits = compiled(it.x)
        logits.square().sum().backward()
    finally:
        torch._dynamo.reset()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    if draws(network):
        return "finite"
    expected = eager(it.x)
    expected.square().sum().backward()
    same(logits, expected, 1e-3)
    ours, theirs = (n.get_parameter("fc.weight").grad for n in (network, eager))
    assert ours is not None
    assert theirs is not None
    same(ours, theirs, 1e-3)
    return "yes"


def exported(it: Subject) -> str:
    """`torch.export` for any number of pictures: a graph with the same logits for three."""
    network = it.copy(training=False)
    more = torch.cat([it.x.flip(3), it.x[:1]])
    with torch.no_grad():
        program = torch.export.export(network, (it.x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        same(program.module()(more), network(more))
    return "yes"


def traced(it: Subject) -> str:
    """`torch.jit.trace`: a graph with the same logits for three other pictures."""
    network = it.copy(training=False)
    more = torch.cat([it.x.flip(3), it.x[:1]])
    with torch.no_grad(), quiet(r"`torch\.jit\.trace", r"`torch\.jit\.script", r"`torch\.jit\._"):
        program = torch.jit.trace(network, it.x, check_trace=False)
        same(program(more), network(more))
    return "yes"


def deepcopied(it: Subject) -> str:
    """`copy.deepcopy`: the same logits and description, and no tensor shared."""
    network, other = it.network, copy.deepcopy(it.network)
    assert other.spec == network.spec
    own = {tensor.data_ptr() for tensor in network.state_dict().values()}
    assert not own & {tensor.data_ptr() for tensor in other.state_dict().values()}
    with torch.no_grad():
        assert torch.equal(other(it.x), network(it.x))
    return "yes"


def called(it: Subject) -> str:
    """`functional_call` on other parameters and statistics in both modes: what the network with them gives."""
    torch.manual_seed(1)
    own = it.network.state_dict()
    state = {k: v * (1 + 0.01 * torch.rand_like(v)) if v.is_floating_point() else v.clone() for k, v in own.items()}
    for training in (False, True):
        network, other = it.copy(training), it.copy(training)
        other.load_state_dict(state)
        given = {name: tensor.clone() for name, tensor in other.state_dict().items()}
        with torch.no_grad():
            torch.manual_seed(2)
            expected = other(it.x)
            torch.manual_seed(2)
            same(functional_call(network, given, (it.x,)), expected, 1e-5)
        assert all(given[name].allclose(tensor, 1e-5, 1e-6) for name, tensor in other.state_dict().items())
        assert all(own[name].equal(tensor) for name, tensor in network.state_dict().items())
    return "yes"


def grad_eval(it: Subject) -> str:
    """`torch.func.grad` in eval mode: autograd's gradients."""
    return _gradients(it, training=False)


def grad_train(it: Subject) -> str:
    """`torch.func.grad` in train mode: autograd's gradients and statistics.

    The statistics, which a training pass changes, have to be an argument of the function beside the parameters.
    """
    return _gradients(it, training=True)


def _gradients(it: Subject, *, training: bool) -> str:
    network, other = it.copy(training), it.copy(training)
    for module in (*network.modules(), *other.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0  # torch.func draws the mask of a channels_last map in another order
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    buffers = {name: b.clone() for name, b in network.named_buffers()}

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        logits: Tensor = functional_call(network, (parameters, buffers), (it.x,))
        return logits.square().sum()

    torch.manual_seed(2)
    found = grad(loss)(parameters, buffers)
    torch.manual_seed(2)
    other(it.x).square().sum().backward()
    largest = max(p.grad.abs().max().item() for p in other.parameters() if p.grad is not None)
    assert 0 < largest < float("inf"), f"largest gradient {largest}"
    for name, parameter in other.named_parameters():
        expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        difference = (found[name] - expected).abs().max().item()
        assert difference <= 1e-5 * largest, f"{name}: {difference:g} of {largest:g}"
    for name, buffer in other.named_buffers():
        assert buffers[name].allclose(buffer, 1e-5, 1e-6), name
    return "yes"


def vmapped(it: Subject) -> str:
    """`vmap` in eval mode, over pictures and over the parameters of two networks: what each gives alone."""
    network, other = it.copy(training=False), it.copy(training=False)
    with torch.no_grad(), quiet("There is a performance drop because we have not yet implemented the batching rule"):
        for parameter in other.parameters():
            parameter.mul_(0.9)
        expected = network(it.x)
        same(vmap(lambda picture: network(picture[None])[0])(it.x), expected)
        state = stack_module_state([network, other])
        both = vmap(lambda p, b: functional_call(network, (p, b), (it.x,)))(*state)
        same(both[0], expected)
        same(both[1], other(it.x))
    return "yes"


def backbone(it: Subject) -> str:
    """`FeatureNetwork`: each map has the channels and stride that it says, and each parameter a gradient.

    The stride is that of a picture made larger by two pixels of the last map. No later child writes into a map.
    """
    if not it.network.taps:
        assert it.network.no_backbone
        return "no"
    assert it.network.taps[-1].stride == it.network.spec.stride
    network = FeatureNetwork(it.copy(training=False))
    maps = network(it.x)
    more = 2 * it.network.spec.stride
    with torch.no_grad():
        larger = network(nn.functional.pad(it.x, (0, more, 0, more)))
        for i, found in enumerate(maps):
            same(found, FeatureNetwork(it.network, (i,))(it.x)[0], 1e-6)
    for tap, small, large in zip(network.taps, maps, larger, strict=True):
        assert small.shape[1] == large.shape[1] == tap.channels, tap
        assert {tap.stride * (large.shape[i] - small.shape[i]) for i in (2, 3)} == {more}, tap
    maps[-1].square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    return str(len(maps))


def conventions(it: Subject) -> str:
    """timm's names: the channels of the last map, what enters the classifier, and a new one, which the spec follows."""
    network, spec = it.copy(training=False), it.network.spec
    with torch.no_grad():
        last = network.forward_features(it.x)
        pooled = network.forward_head(last, pre_logits=True)
        same(network.forward_head(last), network(it.x), 1e-6)
        same(network.get_classifier()(pooled), network(it.x), 1e-6)
        assert last.shape[1] == network.num_features
        assert pooled.shape == (2, network.head_hidden_size)
        assert network.num_classes == spec.num_classes == network(it.x).shape[1]
        network.reset_classifier(0)
        assert network.num_classes == 0
        same(network(it.x), pooled, 1e-6)
        network.reset_classifier(7)
        assert network.num_classes == network(it.x).shape[1] == 7
    assert network.spec == spec.but(num_classes=7)
    return "yes"


CHECKS: dict[str, Callable[[Subject], str]] = {
    "meta": meta,
    "steps": steps,
    "compile eval": compiled_eval,
    "compile train": compiled_train,
    "export": exported,
    "trace": traced,
    "deepcopy": deepcopied,
    "call": called,
    "grad eval": grad_eval,
    "grad train": grad_train,
    "vmap": vmapped,
    "backbone": backbone,
    "conventions": conventions,
    "info": info,
    "inductor": inductor,
}
"""The checks by name, in the order of the proof's table."""
