"""Proof: the commands and the program of README.md run as they are, in their order, in an empty folder.

command   python proofs/readme.py [--keep FOLDER]
expected  every command with its time and "exit code 0", and exit code 0; 1 at the first that fails
time      6 to 10 minutes on 2 CPU cores

The folder gets small, generated files for all that the page assumes: class folders of flowers, a picture of a cat, a
folder of pictures, CIFAR's pictures as parquet, weights of a ResNeXt-50, and a sweep. `make` and the activation of an
environment are left out. The environment's threads are those of the machine.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torchvision
from PIL import Image

README = Path(__file__).resolve().parents[1] / "README.md"
FLOWERS = {"daisy": (230, 230, 210), "tulip": (200, 40, 60), "rose": (150, 20, 90)}
COMMANDS = 20


def commands(text: str) -> list[list[str]]:
    """The words of every `cardinet` command in the page's blocks, without comments."""
    lines = re.findall(r"^    (cardinet .*)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def programs(text: str) -> list[str]:
    """The blocks of Python."""
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def picture(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    """Write a picture that a small network can take for a flower: a bright disc on green."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[0:66, 0:80]
    disc = (y - draw.integers(22, 44)) ** 2 + (x - draw.integers(25, 55)) ** 2 < draw.integers(14, 22) ** 2
    pixels = np.where(disc[..., None], colour, (40, 110, 50)) + draw.normal(0, 18, (66, 80, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)


def prepare(folder: Path) -> None:
    """Make the files that the page assumes."""
    for number, (name, colour) in enumerate(FLOWERS.items()):
        for split, count in (("train", 160), ("val", 16)):
            for i in range(1, count + 1):
                picture(folder / "flowers" / split / name / f"{i}.jpg", colour, 1000 * number + 100 * len(split) + i)
        picture(folder / "folder" / f"{name}.jpg", colour, 7 + number)
    picture(folder / "cat.jpg", (120, 90, 60), 1)
    draw = np.random.default_rng(0)
    rows = []
    for label in range(10):
        for _ in range(20):
            file = io.BytesIO()
            Image.fromarray(draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file, "PNG")
            rows.append({"img": {"bytes": file.getvalue(), "path": None}, "label": label})
    (folder / "cifar10").mkdir()
    for split in ("train", "test"):
        pq.write_table(pa.Table.from_pylist(rows), folder / "cifar10" / f"{split}-00000-of-00001.parquet")
    network = torchvision.models.resnext50_32x4d(num_classes=5)
    torch.save(network.state_dict(), folder / "resnext50.pth")
    sweep = 'data = "flowers"\ntrials = 2\n[space]\noptimizer.lr = {low = 0.01, high = 1.0, log = true}\n'
    (folder / "sweep.toml").write_text(sweep)


def run(name: str, words: list[str], folder: Path) -> bool:
    """Run a command in the folder, and print how it went."""
    started = time.perf_counter()
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=os.environ)
    print(f"{time.perf_counter() - started:6.1f} s  exit code {done.returncode}  {name}", flush=True)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the commands of README.md in an empty folder.")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="an empty folder to work in, and to look at after")
    options = parser.parse_args()
    text = README.read_text()
    found, blocks = commands(text), programs(text)
    if len(found) < COMMANDS or len(blocks) != 1:
        print(f"README.md has {len(found)} commands and {len(blocks)} programs; is it read as it should be?")
        return 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        prepare(folder)
        for words in found:
            if not run(shlex.join(words), [sys.executable, "-m", *words], folder):
                return 1
        setup = "import torch\npixels = torch.rand(2, 3, 64, 64)\n"
        for block in blocks:
            if not run("the program in Python", [sys.executable, "-c", setup + block], folder):
                return 1
    print(f"{len(found)} commands and the program ran.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
