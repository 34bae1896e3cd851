"""The base networks of a trained deeply-fused network, each with BN statistics of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.reproduce.functions import batches_of
from cardinet.reproduce.trained import Trained

if TYPE_CHECKING:
    from cardinet.explain.members import Members


def members(run: Trained, *, without_deepest: bool = False) -> Members:
    """The answers of the base networks of a run to its test pictures; BN statistics from all its training pictures."""
    from cardinet.blocks.deeply_fused import DeeplyFusedNet
    from cardinet.explain.members import members
    from cardinet.train.methods.shared_ensemble import base_paths

    fused = run.network()
    assert isinstance(fused, DeeplyFusedNet)
    train = [(batch.pixels, batch.labels) for batch in batches_of(run, "train")]
    test = [(batch.pixels, batch.labels) for batch in batches_of(run, "test")]
    paths = base_paths(fused, without_deepest=without_deepest)
    return members(fused, paths, lambda: test, lambda: train, lambda: None)
