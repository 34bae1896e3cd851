"""The caches and the global state of torch that a training run sets, given back after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from train.runs_to_compare import make_photographs


@pytest.fixture(autouse=True)
def machine_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache folder of the test's own; threads, random generator and deterministic kernels as they were before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    threads, generator = torch.get_num_threads(), torch.get_rng_state()
    kernels = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(generator)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = kernels


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photographs(tmp_path_factory.mktemp("photographs"))
