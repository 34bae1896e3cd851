"""`cardinet.train` on a data set of the program: what is recorded, and a resume by another program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import Dataset

import cardinet
from cardinet.data.kinds import datasets
from cardinet.train.interrupt import Interrupted
from cardinet.train.listener import Listener, Tick
from train.runs_to_compare import differences


class Stripes(Dataset[tuple[Any, int]]):
    """Grey pictures of 8 x 8 pixels with stripes down (0) or across (1), and noise."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.count, self.seed = count, seed
        self.classes = ["down", "across"]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        noise = np.random.default_rng((self.seed, index)).integers(0, 100, (8, 8))
        stripes = (noise + 150 * (np.arange(8) % 2)).astype(np.uint8)
        return (stripes, 0) if index % 2 == 0 else (np.ascontiguousarray(stripes.T), 1)


class Stop(Listener):
    """Stops the run at a step, after its checkpoint."""

    def stepped(self, tick: Tick) -> None:
        if tick.step >= 5:
            raise Interrupted("stopped by the test")


def test_a_data_set_is_trained_on_measured_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = {"train": Stripes(64), "val": Stripes(16, seed=1)}
    asked: dict[str, Any] = {"epochs": 3, "batch_size": 16, "workers": 0, "threads": 1, "lr": 0.01}
    run = tmp_path / "run"
    cardinet.train(data=data, out=run, listener=Listener(), **asked)
    source = cardinet.source(data)
    assert source.startswith("dataset:Stripes-")
    assert f'source = "{source}"' in (run / "run.toml").read_text()
    measured = cardinet.evaluate(run, data)
    assert (measured.split, measured.count) == ("validation", 16)
    assert cardinet.evaluate(run, source, split="train").count == 64
    assert cardinet.evaluate(run, Stripes(10, seed=2)).count == 10

    stopped = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        cardinet.train(data=data, out=stopped, listener=Stop(), settings={"training.checkpoint_seconds": 0}, **asked)
    monkeypatch.setattr(datasets, "_held", {})  # as in another program
    with pytest.raises(cardinet.CardinetError, match=r"was given by a Python program"):
        cardinet.train(resume=stopped)
    with pytest.raises(cardinet.CardinetError, match="has changed since the run began"):
        cardinet.train(resume=stopped, data={**data, "train": Stripes(64, seed=3)})
    cardinet.train(resume=stopped, data=data, listener=Listener())
    assert differences(run, stopped) == []
