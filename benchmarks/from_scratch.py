"""Benchmark: photographs from scratch in a given time: Cardinet's `few-pictures` and torchvision's reference recipe.

command   python benchmarks/from_scratch.py --contender ours --minutes 20 --seed 0
          python benchmarks/from_scratch.py --contender torchvision --side 224 --minutes 20 --seed 0
expected  ours has clearly fewer errors in the same time on the same machine
time      that of --minutes, for each contender and seed, on 2 cores; longer where other work runs

The pictures are those of `shared/data/flowers` (3,454 to train, 863 to test, 5 classes, 128 x 128 pixels). Neither
contender sees a test picture before its end, and neither picks its weights by one.

torchvision is what its reference script (references/classification/train.py) does by default: resnet18, SGD with rate
0.1, momentum 0.9 and weight decay 1e-4, batches of 32, the rate divided by 10 after each third, RandomResizedCrop and
flip, float32, test pictures resized to 8/7 of the side and cropped. Its epochs are cut to the time: its thirds
are those of the clock, so that it uses all of it. It is tried at 224 pixels, its default, and at 128, which are faster.

Ours is the recipe `few-pictures` with resnet18 and pictures that grow from 64 to 112 pixels; its epochs are chosen by
a short probe of the speed, so that it ends within the time. Time is CPU time: 20 minutes of 2 cores are 40 minutes of
CPU time, so that other work on the machine takes nothing from a contender.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import cardinet
from cardinet.runs.environment import hardware, versions

FLOWERS = Path(__file__).resolve().parents[2] / "shared" / "data" / "flowers"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PROBES = 20, 80
"""The steps of two short runs, whose difference measures our speed."""

GROWTH = {"start": 64, "by": 16, "until": "60 %"}

CORES = 2

SPARE = 0.97
"""The share of the time that our epochs are chosen to take."""


def torchvision(folder: Path, side: int, minutes: float, seed: int) -> dict[str, Any]:
    """Train torchvision's resnet18 as its reference script does, for the given time."""
    from torchvision.datasets import ImageFolder
    from torchvision.models import resnet18
    from torchvision.transforms import v2

    torch.manual_seed(seed)
    last = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    train = ImageFolder(folder / "train", v2.Compose([v2.RandomResizedCrop(side), v2.RandomHorizontalFlip(), *last]))
    test = ImageFolder(folder / "val", v2.Compose([v2.Resize(side * 8 // 7), v2.CenterCrop(side), *last]))
    loader = torch.utils.data.DataLoader(train, 32, shuffle=True, drop_last=True)
    network = resnet18(num_classes=len(train.classes))
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    start, seen, spent = time.process_time(), 0, 0.0
    while spent < 1:
        for pixels, labels in loader:
            spent = (time.process_time() - start) / (60 * minutes * CORES)
            if spent >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * 0.1 ** int(3 * spent)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(pixels), labels).backward()
            optimizer.step()
            seen += len(labels)
    network.eval()
    with torch.inference_mode():
        wrong = sum(
            int((network(pixels).argmax(1) != labels).sum()) for pixels, labels in torch.utils.data.DataLoader(test, 32)
        )
    return {"wrong": wrong, "count": len(test), "epochs": round(seen / len(train), 1)}


def cpu_seconds() -> float:
    """The CPU time of this process and of those that it has waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def ours(folder: Path, minutes: float, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Train with the recipe `few-pictures` for the given time."""
    pictures = len(list((folder / "train").rglob("*.jpg")))
    settings = {"training.evaluate_every": "100 %", "methods.ProgressiveResizing": GROWTH, **settings}
    with tempfile.TemporaryDirectory() as place:

        def run(name: str, length: str) -> dict[str, Any]:
            start = cpu_seconds()
            cardinet.train(
                data=f"{folder}",
                recipe="few-pictures",
                seed=seed,
                out=Path(place) / name,
                settings={**settings, "training.length": length},
            )
            evaluation = json.loads((Path(place) / name / "evaluation.json").read_text())
            return {"results": evaluation["results"], "seconds": cpu_seconds() - start}

        short, long = (run(f"probe-{steps}", f"{steps} steps")["seconds"] for steps in PROBES)
        beside, step = short, (long - short) / (PROBES[1] - PROBES[0])
        epochs = int((SPARE * 60 * minutes * CORES - beside) / step * 32 / pictures)
        return {"epochs": epochs, "pictures": pictures, **run("run", f"{epochs} epochs")}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--contender", choices=("ours", "torchvision"), default="ours")
    parser.add_argument("--folder", type=Path, default=FLOWERS)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--side", type=int, default=224, help="of torchvision's training pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="further settings of ours")
    options = parser.parse_args()
    start = time.monotonic()
    if options.contender == "ours":
        result = ours(options.folder, options.minutes, options.seed, dict(text.split("=", 1) for text in options.set))
    else:
        result = torchvision(options.folder, options.side, options.minutes, options.seed)
    print(
        json.dumps(
            {
                "asked": {**vars(options), "folder": options.folder.name},
                **result,
                "cpu minutes": round(cpu_seconds() / 60, 1),
                "minutes": round((time.monotonic() - start) / 60, 1),
                **versions(),
                **hardware("cpu"),
            }
        )
    )


if __name__ == "__main__":
    main()
