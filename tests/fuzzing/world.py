"""A working folder with a user's files and with obstacles: pipes, sockets, loops of links, truncated files."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fuzzing.forked import command

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/stdin")


class World:
    """The folder `root`, which `restore` makes as it was."""

    def __init__(self, folder: Path, *, trained: bool) -> None:
        self.root, self._whole = folder / "work", folder / "whole"
        self._whole.mkdir()
        _fill(self._whole)
        if trained:
            _train(self._whole)
        self.restore()

    def restore(self) -> None:
        """Undo what a request has written, as one that was right."""
        if self.root.exists():
            shutil.rmtree(self.root)
        subprocess.run(["cp", "-a", self._whole, self.root], check=True)
        self._state = _state(self.root)

    def changes(self) -> tuple[bool, list[str]]:
        """Whether anything is other than it was, and those of the user's files and of the devices that are."""
        now = _state(self.root)
        return now != self._state, [path for path, state in self._state.items() if now.get(path) != state]


@contextmanager
def world(*, trained: bool = True) -> Iterator[World]:
    """A working folder, with a finished run where it is to be trained, and a cache of its own."""
    with tempfile.TemporaryDirectory(prefix="fuzz-requests-") as folder:
        before = {name: os.environ.get(name) for name in ("XDG_CACHE_HOME", "HF_HUB_OFFLINE")}
        os.environ |= {"XDG_CACHE_HOME": str(Path(folder) / "cache"), "HF_HUB_OFFLINE": "1"}
        try:
            yield World(Path(folder), trained=trained)
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def _fill(root: Path) -> None:
    import numpy as np
    import torch
    from PIL import Image

    from cardinet.build.builder import build
    from cardinet.data.preprocessing import Preprocessing
    from cardinet.networks.registry import find
    from cardinet.runs.model_file import Model, save_model

    spec = find("resnet20_cifar").spec.but(num_classes=2, depths=(1, 1, 1))
    torch.save(build(find("resnet20_cifar").spec).state_dict(), root / "weights.pth")
    preprocessing = Preprocessing(channels=3, crop=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    save_model(root / "model.safetensors", Model(build(spec), spec, ("ant", "bee"), preprocessing))
    noise = np.random.default_rng(0)
    for name in ("ant", "bee"):
        for place in ("set", "piped"):
            (root / place / name).mkdir(parents=True)
            for i in range(4):
                Image.fromarray(noise.integers(0, 255, (20, 24, 3), np.uint8)).save(root / place / name / f"{i}.png")
    shutil.copy(root / "set" / "ant" / "0.png", root / "red.png")
    for name in ("model.safetensors", "red.png"):
        whole = (root / name).read_bytes()
        (root / name.replace("model", "half").replace("red", "half")).write_bytes(whole[: len(whole) // 2])
    (root / "big.safetensors").write_bytes(b"\xff" * 8 + b"{}")
    texts = {
        "file": "mine",
        "empty": "",
        "empty.safetensors": "",
        "recipe.toml": 'base = "quick"\n',
        "sweep.toml": 'data = "digits"\ntrials = 1\n[settings]\ntraining.length = "2 steps"\n[space]\nseed = [1, 2]\n',
        "deep.toml": "a = " + "[" * 3000,
    }
    for name, text in texts.items():
        (root / name).write_text(text)
    for name in ("folder", "folder.toml", "folder.csv", "closed", "broken", "piped-parquet", "piped-imagenet"):
        (root / name).mkdir()
    (root / os.fsdecode(b"bytes\xff")).write_text("mine")
    (root / "broken" / "run.toml").write_text("a = [")
    pipes = ("pipe", "pipe.safetensors", "pipe.png", "pipe.toml", "piped/ant/pipe.png", "piped.parquet")
    for name in (*pipes, "piped-parquet/train.parquet", "piped-imagenet/ILSVRC2012_devkit_t12.tar.gz"):
        os.mkfifo(root / name)
    for name, to in {"dangling": "nowhere", "dangling.csv": "nowhere", "zero.toml": "/dev/zero"}.items():
        (root / name).symlink_to(to)
    for name in ("loop", "loop.html"):
        (root / name).symlink_to(name)
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(str(root / "socket"))
    (root / "closed").chmod(0)


def _train(root: Path) -> None:
    words = ["train", "--epochs", "1", "--set", "limit=40", "--set", "threads=1", "--out", "done", "--workers", "0"]
    ended = command(words, root, seconds=120)
    assert ended.code == 0, ended.err


def _state(root: Path) -> dict[str, tuple[int, ...]]:
    """What stands in a folder; the user's files by size and time, links by where they point; the devices by kind."""
    found: dict[str, tuple[int, ...]] = {device: (os.lstat(device).st_mode,) for device in DEVICES}
    for place, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = os.path.join(place, name)
            state = os.lstat(path)
            plain = os.path.isfile(path) and not os.path.islink(path)
            found[path] = (state.st_mode, *((state.st_size, state.st_mtime_ns) if plain else ()))
    return found
