"""The joint training of base networks: its gradient is that of separate copies, and other networks are refused."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from cardinet.base.errors import RequestError
from cardinet.blocks.deeply_fused import DeeplyFusedNet
from cardinet.build.builder import build
from cardinet.networks.families.deeply_fused import fuse
from cardinet.networks.registry import find
from cardinet.train.methods.shared_ensemble import Members, base_paths
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.training_step import forward_backward
from train.test_methods import task_with

SPEC = fuse(8, 3).but(widths=(4, 4, 8), in_channels=1)


@pytest.mark.parametrize(("without_deepest", "parts"), [(False, 1), (True, 1), (False, 2)])
def test_the_gradient_is_the_mean_of_those_of_separate_networks(without_deepest: bool, parts: int) -> None:
    """In float64, and in the parts in which the batch passes."""
    torch.manual_seed(0)
    fused = build(SPEC).double()
    assert isinstance(fused, DeeplyFusedNet)
    pixels, labels = torch.randn(6, 1, 8, 8, dtype=torch.float64), torch.arange(6) % 10
    paths = base_paths(fused, without_deepest=without_deepest)
    assert len(paths) == (7 if without_deepest else 8)
    hooks = Members(fused, paths)
    forward_backward(fused.train(), pixels, labels, CrossEntropy(), parts=parts)
    hooks.after_backward(
        lambda network, objective: forward_backward(network, pixels, labels, objective, parts=parts)[0]
    )

    expected = {name: torch.zeros_like(p) for name, p in fused.named_parameters()}
    for path in paths:
        alone = build(SPEC.but(path=path)).double().train()
        alone.load_state_dict({name: fused.state_dict()[name] for name in alone.state_dict()})
        for x, y in zip(pixels.chunk(parts), labels.chunk(parts), strict=True):
            (F.cross_entropy(alone(x), y) / parts).backward()
        for name, parameter in alone.named_parameters():
            assert parameter.grad is not None
            expected[name] += parameter.grad / len(paths)
    for name, parameter in fused.named_parameters():
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found, expected[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("spec", [find("resnet20_cifar").spec, SPEC.but(path=("deep1",) * 3)])
def test_a_network_without_base_networks_is_refused(spec: object) -> None:
    with pytest.raises(RequestError, match="only a deeply-fused network"):
        base_paths(build(spec))  # type: ignore[arg-type]


def test_a_network_with_very_many_base_networks_is_refused() -> None:
    network = build(find("fusenet_resnet110").spec, device="meta")
    with pytest.raises(RequestError, match="base networks; at most 256"):
        base_paths(network)


@pytest.mark.parametrize("objective", ["Focal", "CrossEntropy(class_weights=balanced)"])
def test_it_is_refused_with_everything_that_it_would_ignore(objective: str) -> None:
    with pytest.raises(RequestError) as caught:
        task_with("SharedEnsemble, Mixup", objective=objective)
    assert [finding.partition(";")[0] for finding in caught.value.findings] == [
        "SharedEnsemble trains with the plain cross-entropy",
        "SharedEnsemble cannot be combined with Mixup, which changes the fused network.",
        "methods.SharedEnsemble: only a deeply-fused network of several lines has base networks",
    ]
