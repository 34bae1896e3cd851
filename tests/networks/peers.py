"""Other libraries' networks beside ours, with the same weights in both."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cardinet.weights.layout import Layout


def peer(library: str, name: str) -> nn.Module:
    """Another library's network without its auxiliary heads, with random weights and BN statistics."""
    if library == "timm":
        network = importlib.import_module("timm").create_model(name)
    elif library == "pytorchcv":
        network = importlib.import_module("pytorchcv.model_provider").get_model(name)
    else:
        auxiliary = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        network = importlib.import_module("torchvision").models.get_model(name, weights=None, **auxiliary)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.0)
                nn.init.normal_(module.bias, std=0.1)
    return network


def carried(state: Mapping[str, Tensor], network: nn.Module, layout: Layout) -> dict[str, str]:
    """Load another library's tensors by name into ours, every one of both; returns our names to theirs."""
    own = network.state_dict()
    names = layout.translate(own)
    missing = [theirs for theirs in names.values() if theirs not in state]
    left = set(state) - set(names.values())
    assert not missing, f"only ours: {missing[:5]}; only theirs: {sorted(left)[:5]}"
    assert not left, f"only theirs: {sorted(left)[:5]}"
    with torch.no_grad():
        for ours, theirs in names.items():
            assert own[ours].numel() == state[theirs].numel(), (ours, own[ours].shape, theirs, state[theirs].shape)
            own[ours].copy_(state[theirs].reshape(own[ours].shape))
    return names


def without_dropout(network: nn.Module) -> nn.Module:
    """The network with every dropout rate 0, so that two train alike."""
    for module in network.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.p = 0.0
        if hasattr(module, "drop_rate"):
            module.drop_rate = 0.0  # timm and torchvision also drop by a function
    return network
