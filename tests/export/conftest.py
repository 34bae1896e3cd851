"""A trained model and its pictures, and runners that only count."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import cardinet
from cardinet.cli.main import outcome
from cardinet.data.settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.export import latency
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


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latencies of few rounds: these tests are about the files."""
    monkeypatch.setattr("cardinet.measure.latency.LEAST", 2)
    monkeypatch.setattr(latency, "SECONDS", 0.0)
