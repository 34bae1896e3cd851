"""ResRep's compactor: the identity at first, without a draw; and the rows that it prunes."""

from __future__ import annotations

import torch

from cardinet.blocks.compactor import Compactor
from cardinet.build.initialise import initialise
from cardinet.measure.counts import count_spec
from cardinet.networks.registry import find


def test_it_starts_as_the_identity_and_draws_nothing() -> None:
    state = torch.get_rng_state()
    module = Compactor(5)
    assert torch.equal(torch.get_rng_state(), state)
    assert module.bias is None
    initialise(module, "paper")
    assert torch.equal(module.weight, torch.eye(5)[:, :, None, None])
    assert sum(p.numel() for p in Compactor(7).parameters()) == 49


def test_rows_are_the_networks_before_pruning() -> None:
    assert find("resrep_resnet50").spec == find("resnet50").spec
    assert find("resrep_resnet56").spec == find("resnet56_cifar").spec.but(kind="B")
    assert count_spec(find("resrep_resnet50").spec, 224).params == 25_557_032
    assert count_spec(find("resrep_resnet56").spec, 32).params == 855_770
    assert all("before pruning" in find(id).reading for id in ("resrep_resnet50", "resrep_resnet56"))
