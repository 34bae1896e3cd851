"""A command line that runs in this process, a trained run, and a folder of files that cause errors."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cardinet.cli.main import outcome
from cli.cli_runner import Cli, Said
from cli.hostile_files import Evil, bomb_png, class_folder, picture, truncate, truncated_jpeg


@pytest.fixture(autouse=True)
def own_place(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A working folder and a cache of the test's own; the number of threads is as it was after it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.chdir(tmp_path)
    for place in ("cardinet.rewriting.job.SECONDS", "cardinet.export.job.SECONDS"):  # latencies of few rounds
        monkeypatch.setattr(place, 0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """`cli("info", "resnet18")` as a user would type it."""

    def run(*words: str | Path) -> Said:
        capsys.readouterr()
        code = outcome([str(word) for word in words])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch on the digits, in a folder whose name has a space and an umlaut. Only to be read."""
    path = tmp_path_factory.mktemp("trained") / "run für alle"
    assert outcome(["train", "--epochs", "1", "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory, digits_run: Path) -> Path:
    """A folder with everything that the wrong requests name. Only to be read: the tests look whether it changed."""
    root = tmp_path_factory.mktemp("hostile")
    class_folder(root / "two")
    class_folder(root / "one", ("red",))
    class_folder(root / "damaged")
    truncated_jpeg(root / "damaged" / "red" / "cut.jpg")
    class_folder(root / "huge")
    bomb_png(root / "huge" / "red" / "bomb.png")
    class_folder(root / "text")
    (root / "text" / "red" / "notes.jpg").write_text("hello")
    rows = ["red/0.png,red", "red/0.png,blue", "red/1.png,", "red/2.png,red", "red/2.png,red", "red/gone.png,red"]
    (root / "two" / "bad.csv").write_text("\n".join(["file,label", *rows, ""]))
    (root / "empty").mkdir()
    (root / "file").write_text("x")
    picture(root / "red.png")
    truncated_jpeg(root / "cut.jpg")
    bomb_png(root / "bomb.png")
    (root / "notes.jpg").write_text("hello")
    (root / "void.jpg").write_bytes(b"")
    _models(root, digits_run)
    _weights(root)
    _runs(root, digits_run)
    recipes = {
        "broken.toml": "a = [",
        "unknown.toml": 'lr = 3\n[optimiser]\nlr = 1\n[training]\nlenght = "3 epochs"\n',
        "itself.toml": 'base = "itself.toml"',
        "network.toml": 'network = "resnet18"',
        "for.toml": "for = 3",
        "kinds.toml": "[for.paintings]\noptimizer.lr = 1\n",
    }
    for name, text in recipes.items():
        (root / name).write_text(text)
    (root / "latin.toml").write_bytes("# für alle".encode("latin-1"))
    (root / "folder.toml").mkdir()
    return root


def _models(root: Path, run: Path) -> None:
    shutil.copy(run / "model.safetensors", root / "model.safetensors")
    for name, share in (("half", 0.5), ("header", 0.001)):
        truncate(root / "model.safetensors", root / f"{name}.safetensors", share)
    (root / "short.safetensors").write_bytes(b"12345")
    (root / "void.safetensors").write_bytes(b"")


def _weights(root: Path) -> None:
    torch.save({"a": torch.zeros(2)}, root / "other.pth")
    torch.save({"a": torch.zeros(2)}, root / "pickle.safetensors")
    torch.save({"epoch": 3}, root / "no-tensors.pth")
    truncate(root / "other.pth", root / "half.pth", 0.5)
    torch.save({"fc": Evil(root / "PWNED")}, root / "evil.pth")
    for protocol in (2, 4, 5):
        (root / f"evil{protocol}.pth").write_bytes(pickle.dumps(Evil(root / "PWNED"), protocol))


def _runs(root: Path, run: Path) -> None:
    for name in (
        "no-checkpoint",
        "no-model",
        "damaged-toml",
        "damaged-results",
        "damaged-checkpoint",
        "other-data",
        "binary-toml",
    ):
        shutil.copytree(run, root / name)
    (root / "no-checkpoint" / "checkpoints" / "last.safetensors").unlink()
    (root / "no-model" / "model.safetensors").unlink()
    (root / "damaged-toml" / "run.toml").write_text("a = [")
    (root / "binary-toml" / "run.toml").write_bytes(b"\xff\xfe")
    (root / "damaged-results" / "evaluation.json").write_text('{"results": 3}')
    checkpoint = root / "damaged-checkpoint" / "checkpoints" / "last.safetensors"
    truncate(checkpoint, checkpoint, 0.5)
    (root / "other-data" / "evaluation.json").unlink()  # a finished run would be told so
    record = root / "other-data" / "run.toml"
    lines = record.read_text().split("\n")
    record.write_text("\n".join('fingerprint = "0"' if line.startswith("fingerprint") else line for line in lines))
