"""Every name of another library in the tables is that library's network, by value: logits and gradients."""

from __future__ import annotations

import copy

import pytest
import torch

from cardinet.networks.builder import build
from cardinet.networks.registry import PEERS
from cardinet.weights.names import LAYOUTS
from networks.peers import carried, peer, without_dropout

SMALLEST = {"Inception": 107}
"""Sides of pictures where a family cannot take 64 pixels."""


def test_number_of_pairs() -> None:
    assert len(PEERS) >= 15


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_gives_the_same_logits_and_gradients(name: str) -> None:
    library, _, theirs = name.partition(":")
    row = PEERS[name]
    torch.manual_seed(0)
    reference = without_dropout(peer(library, theirs)).eval()
    network = without_dropout(build(row.spec)).eval()
    names = carried(reference.state_dict(), network, LAYOUTS[library, row.family])
    size = SMALLEST.get(row.family, min(row.input_size, 64))
    x = torch.randn(2, row.spec.in_channels, size, size)
    with torch.no_grad():
        expected, logits = reference(x), network(x)
    assert (expected[0] - expected[1]).abs().max() > 1e-4 * expected.abs().max()  # the picture matters
    assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max()

    # In float64, as batch statistics of a few values amplify the rounding of float32 beyond any tolerance.
    there, here = copy.deepcopy(reference).double().train(), network.double().train()
    weight = torch.randn(expected.shape, dtype=torch.float64)
    (there(x.double()) * weight).sum().backward()
    (here(x.double()) * weight).sum().backward()
    gradients = dict(there.named_parameters())
    for ours, parameter in here.named_parameters():
        grad, reference_grad = parameter.grad, gradients[names[ours]].grad
        assert grad is not None
        assert reference_grad is not None
        difference = (grad - reference_grad.reshape(grad.shape)).abs().max()
        assert difference <= 1e-4 * reference_grad.abs().max() + 1e-12, ours
