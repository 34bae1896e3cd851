"""Named sets through torchvision's classes, which are replaced here: nothing is downloaded in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import datasets

from cardinet.base.errors import WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds.named_sets import SETS
from cardinet.data.source import open_source

RNG = np.random.default_rng(0)
CASES = {
    "cifar10": ((12, 32, 32, 3), True),
    "cifar100": ((12, 32, 32, 3), True),
    "mnist": ((12, 28, 28), False),
    "fashion-mnist": ((12, 28, 28), True),
    "svhn": ((12, 3, 32, 32), False),
}


def test_all_named_sets_are_tried() -> None:
    assert list(CASES) == list(SETS)
    assert all(hasattr(datasets, row.dataset) for row in SETS.values())


@pytest.mark.parametrize("name", CASES)
def test_a_named_set(name: str, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    shape, flips = CASES[name]
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    asked: list[dict[str, Any]] = []

    class Fake:
        def __init__(self, root: str, download: bool, **choice: Any) -> None:
            assert Path(root) == own_cache / "cardinet" / "torchvision"
            assert download
            asked.append(choice)
            self.data = torch.from_numpy(pixels) if pixels.ndim == 3 else pixels
            labels = [0, 1, 2] * 4
            if name == "svhn":
                self.labels = np.array(labels)
            else:
                self.targets = torch.tensor(labels) if pixels.ndim == 3 else labels
                self.classes = ["a", "b", "c"]

    monkeypatch.setattr(datasets, SETS[name].dataset, Fake)
    source = open_source(name, DataSettings())
    by_split = [{"split": "train"}, {"split": "test"}]
    assert asked == (by_split if name == "svhn" else [{"train": True}, {"train": False}])
    assert source.classes == (("0", "1", "2") if name == "svhn" else ("a", "b", "c"))
    assert (source.small, source.flips) == (True, flips)
    images = source.splits["test"].images
    assert images is not None
    channels_first = {3: lambda p: p[:, None], 4: lambda p: p if name == "svhn" else p.transpose(0, 3, 1, 2)}
    assert np.array_equal(images.numpy(), channels_first[pixels.ndim](pixels))
    assert source.splits["train"].labels.tolist() == [0, 1, 2] * 4


def test_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(datasets, "CIFAR10", fail)
    with pytest.raises(WorkError, match=r"cifar10 could not be downloaded .*unreachable.*parquet:PATH") as error:
        open_source("cifar10", DataSettings())
    assert len(error.value.findings) == 1
