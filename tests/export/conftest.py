"""A trained model and its pictures, and runners that only count."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import cardinet
from cardinet.cli.main import outcome
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.export import job
from cardinet.runs.model_file import Model


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs on the digits: a ResNeXt, with grouped convolutions and residual sums. Only to be read."""
    path = tmp_path_factory.mktemp("trained") / "run"
    threads = torch.get_num_threads()
    assert outcome(["train", "--epochs", "3", "--set", "machine.threads=1", "--out", str(path)]) == 0
    torch.set_num_threads(threads)
    return path


@pytest.fixture(scope="session")
def model(run: Path) -> Model:
    return cardinet.load(run)


@pytest.fixture(scope="session")
def digits() -> Source:
    return open_source("digits", DataSettings(validation=0.1))


class SignalStack(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@pytest.fixture(autouse=True)
def signals_have_a_stack() -> Iterator[None]:
    """The stack that signal handlers run on is memory: OpenVINO changes it, and a Ctrl-C afterwards needs it."""
    yield
    if sys.platform != "linux":
        return
    stack = SignalStack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
    areas = [line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines()]
    assert not stack.start or any(int(low, 16) <= stack.start < int(high, 16) for low, high in areas)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latencies of few rounds: these tests are about the files."""
    monkeypatch.setattr("cardinet.measure.timing.LEAST", 2)
    monkeypatch.setattr(job, "SECONDS", 0.0)
