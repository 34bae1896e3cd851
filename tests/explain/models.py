"""Tiny classifiers of the digits and of pictures made here, and proofs that a question leaves a model as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.registry import find
from cardinet.networks.spec import NetworkSpec
from cardinet.runs.model_file import Model

TINY = find("resnet20_cifar").spec.but(depths=(2, 1, 1), widths=(4, 8, 8), width=4, in_channels=1)


def classifier(spec: NetworkSpec = TINY, seed: int = 0, side: int = 8) -> Model:
    """A model of this description with drawn weights and BN statistics that are not those of a new network."""
    network = drawn(spec, seed)
    channels = network.spec.in_channels
    preprocessing = Preprocessing.model_validate(
        {"channels": channels, "crop": side, "mean": (0.5,) * channels, "std": (0.25,) * channels}
    )
    return Model(network, spec, tuple(str(i) for i in range(network.spec.num_classes)), preprocessing)


def drawn(spec: NetworkSpec = TINY, seed: int = 0) -> Classifier:
    """The network of a description in eval mode, with drawn weights, biases and BN statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(spec)
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                assert module.running_mean is not None
                assert module.running_var is not None
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
                if module.weight is not None:
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.normal_(module.bias, std=0.1)
    return network.eval()


def without_norms(network: Classifier) -> Classifier:
    """The network with the identity in the place of every BN and every ReLU: a sum over its paths."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm | nn.ReLU):
                setattr(module, name, nn.Identity())
    return network


@contextmanager
def unchanged(network: nn.Module) -> Iterator[None]:
    """Fails if anything of the network is changed within: tensors, modes, gradients, flags, hooks, modules."""
    before = state(network)
    yield
    after = state(network)
    assert before.keys() == after.keys()
    for key, value in before.items():
        same = torch.equal(value, after[key]) if isinstance(value, Tensor) else value == after[key]
        assert same, f"{key} was changed"


def state(network: nn.Module) -> dict[str, Any]:
    """All that a question must leave alone, by name."""
    found: dict[str, Any] = {"generator": torch.get_rng_state()}
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        found[name] = tensor.detach().clone()
        found[f"{name}, itself"] = (id(tensor), tensor.requires_grad, tensor.grad is None)
    for name, module in network.named_modules():
        hooks = (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks))
        found[f"{name}, module"] = (id(module), type(module), module.training, hooks)
    return found
