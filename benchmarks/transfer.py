"""Benchmark: five classes of CIFAR-10, then the other five with 250 labels: fine-tuned against trained anew.

command   python benchmarks/transfer.py --seed 0
expected  the fine-tuned network has clearly fewer errors than the one that is trained anew on the same 250 pictures
time      about 12 minutes a seed on 2 CPU cores

The first network (resnet20_cifar, recipe `quick`) sees all 25,000 training pictures of airplane, bird, deer, frog and
ship; that none of the other five classes is among them is asserted. Then 50 labelled pictures of each other class, 1 %
of them, are drawn by the seed. Each way trains on these 250 and is tested once, at its end, on the 5,000 test pictures
of its classes. Every way has as many steps as the others.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

import cardinet
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import open_source
from cardinet.runs.environment import hardware, versions
from cardinet.train.listener import Listener

CIFAR = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10"
FIRST = ("airplane", "bird", "deer", "frog", "ship")
LABELLED = 50
"""The labelled pictures of each class of the second training, 1 % of them."""

WAYS: Mapping[str, Mapping[str, Any]] = {
    "anew, quick": {"recipe": "quick"},
    "anew, few-pictures": {"recipe": "few-pictures"},
    "finetune": {"recipe": "finetune"},
    "finetune-head-first": {"recipe": "finetune-head-first"},
    "finetune-layers": {"recipe": "finetune-layers"},
}


class Part(Dataset[tuple[np.ndarray, int]]):
    """The pictures of some classes, which are numbered anew in their order."""

    def __init__(self, pictures: np.ndarray, targets: list[int], classes: tuple[str, ...]) -> None:
        self.pictures, self.targets, self.classes = pictures, targets, classes

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.pictures[index], self.targets[index]


def parts(folder: Path, chosen: tuple[str, ...], labelled: int | None, seed: int) -> dict[str, Part]:
    """The train and test pictures of the chosen classes; of the training pictures `labelled` of each class, or all."""
    source = open_source(f"parquet:{folder}", DataSettings(validation=0))
    found = {}
    for split in ("train", "test"):
        pictures = source.splits[split]
        names = [source.classes[int(label)] for label in pictures.labels]
        rows = []
        for name in chosen:
            of_class = [row for row, other in enumerate(names) if other == name]
            if split == "train" and labelled is not None:
                of_class = np.random.default_rng([seed, chosen.index(name)]).permutation(of_class)[:labelled].tolist()
            rows += of_class
        pixels = np.stack([np.asarray(pictures.picture(row).convert("RGB")) for row in rows])
        found[split] = Part(pixels, [chosen.index(names[row]) for row in rows], chosen)
        assert {names[row] for row in rows} == set(chosen)
    return found


def trained(data: dict[str, Part], place: Path, seed: int, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Train and test once; the wrong answers of the test and the seconds."""
    start = time.monotonic()
    settings = {"training.evaluate_every": "100 %", "data.validation": "0", **asked.get("settings", {})}
    others = {name: value for name, value in asked.items() if name != "settings"}
    cardinet.train(data=data, out=place, seed=seed, listener=Listener(), settings=settings, **others)
    evaluation = json.loads((place / "evaluation.json").read_text())
    return {**evaluation["results"], "seconds": round(time.monotonic() - start)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first-epochs", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=200, help="of each way on the 250 pictures")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    options = parser.parse_args()
    classes = tuple(open_source(f"parquet:{CIFAR}", DataSettings(validation=0)).classes)
    other = tuple(name for name in classes if name not in FIRST)
    first, second = parts(CIFAR, FIRST, None, options.seed), parts(CIFAR, other, LABELLED, options.seed)
    assert not set(first["train"].classes) & set(other)
    assert len(first["train"]) == 25_000
    assert Counter(second["train"].targets) == dict.fromkeys(range(5), LABELLED)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        asked = {"network": "resnet20_cifar", "recipe": "quick", "epochs": options.first_epochs}
        results = {"first five": trained(first, place / "first", options.seed, asked)}
        print(json.dumps(results), flush=True)
        for number, name in enumerate(options.ways):
            anew = name.startswith("anew")
            start = {"network": "resnet20_cifar"} if anew else {"weights": str(place / "first" / "model.safetensors")}
            asked = {**WAYS[name], **start, "epochs": options.epochs, "batch_size": 32}
            results[name] = trained(second, place / str(number), options.seed, asked)
            print(json.dumps({name: results[name]}), flush=True)
    print(json.dumps({"seed": options.seed, "results": results, **versions(), **hardware("cpu")}))


if __name__ == "__main__":
    main()
