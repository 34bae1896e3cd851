"""The caches and the global state of torch that a training run sets, given back after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.registry import find
from cardinet.runs.model_file import Model, save_model
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


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the ten digits with random weights, of another network and with another mean and deviation."""
    torch.manual_seed(11)
    spec = find("resnet20_cifar").spec.but(depths=(1, 1, 1), num_classes=10, in_channels=1)
    preprocessing = Preprocessing(channels=1, crop=8, mean=(0.1,), std=(0.5,))
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_model(path, Model(build(spec).eval(), spec, tuple("0123456789"), preprocessing))
    return path
