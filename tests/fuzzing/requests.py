"""Wrong requests at random, over all verbs and options: words that a tired, a mistaken or a hostile user types.

The verbs and options are those of the application itself, so that a new option is covered when it is there.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fuzzing.forked import Ended, command, warm

COUNTED = ("tracebacks", "hangs", "over_memory", "changed")
SHOWN = 8
"""Examples of each kind on stderr."""

NUMBERS = [
    "0", "-1", "1", "2", "3.5", "1e308", "-1e308", "1e-320", "nan", "inf", "-inf", "9" * 30, "9" * 5000,
    "0x10", "1_000", "²", "٣", "", " ", "1,2", "1,,2", "two", "--", "0.0000001", "true", "[1, 2]",
    "[" * 3000, "1" + "0" * 400,
]  # fmt: skip
TEXTS = [
    "x", "resnet18", "resnt18", "digits", "quick", "cpu", "cpu:", "cpu:1", "cuda:²", "cuda:-1",
    "cuda:99999999999", "tpu", "auto", "a b", "ü猫", "\x1b[31m", "a\nb", "\udcff", "a" * 5000, "%s%n",
    "${HOME}", "../..", "'", '"', "-", "[" * 3000, "{" * 3000, "a." * 3000 + "a", "*", "[a-", "hub:",
    "hub:a/b/c", "timm:", "torchvision:nothere", "c", "onnx", "me/x",
]  # fmt: skip
PATHS = [
    "missing", "missing/x", "folder", "file", "pipe", "dangling", "loop", "/dev/null", "/dev/zero",
    "/dev/stdin", "/proc", "/proc/self/mem", "/proc/new", "/sys/new", "x" * 300, "x/" * 2000 + "x",
    "\x1b[2J", "new\nline", "\udcff", "~nobody/x", ".", "..", "/", "model.safetensors", "half.safetensors",
    "pipe.safetensors", "red.png", "pipe.png", "set", "piped", "recipe.toml", "pipe.toml", "new.csv",
    "new.html", "new.onnx", "dangling.csv", "loop.html", "run", "new",
]  # fmt: skip
SOURCES = [
    "digits", "set", "piped", "missing", "file", "pipe", "loop", "parquet:pipe", "parquet:set",
    "parquet:/dev/zero", "imagenet:set", "imagenet:", "csv:file", "nothing:x", ":", "::", "parquet:",
    "parquet:*", "/dev/zero", "hf:x",
]  # fmt: skip
KEYS = [
    "lr", "size", "length", "batch_size", "limit", "pixel_limit", "mean", "std", "threads", "seed",
    "workers", "source", "cardinality", "depths", "width", "gate", "drop", "stem", "in_channels",
    "num_classes", "nothing", "a.b.c", "", "lr.x", "network.delta", "network.spec", "id", "network.id",
    "precision", "flip", "schedule", "evaluate_every", "data.limit",
]  # fmt: skip
VALUES = [
    *NUMBERS, *TEXTS[:14], "3 epochs", "1e308 epochs", "9e99 steps", "1e400 examples", "SqueezeExcite(",
    "[[[]]]", "SqueezeExcite(reduction=0)", "2024-01-01", "'''", '"\\u0000"', "{a = 1}", "[1, 'a']",
    "x\ny = 3", "nan epochs",
]  # fmt: skip

LARGE = frozenset({"9" * 30, "1" + "0" * 400, "1e308"})
"""Not for sizes of networks and batches until these are bounded (issue 10, point 9)."""

BASE: dict[str, list[str]] = {
    "train": ["--dry-run", "--epochs", "1", "--set", "limit=40"],
    "eval": ["--workers", "0"],
    "predict": ["--workers", "1"],
    "export": ["--workers", "0", "--pictures", "2"],
    "push": ["--dry-run", "new"],
}
"""What keeps a request short that is right after all; typer takes the last of what is given twice."""


RIGHT = {
    "model": "model.safetensors", "pictures": "red.png", "source": "set", "data": "set", "runs": "run", "repo": "me/x",
    "network": "resnet20_cifar", "like": "resnext50_32x4d", "format": "onnx", "pattern": "resnet18",
}  # fmt: skip
"""What a parameter is where something else in the request is to be wrong."""

NEW = {"eval": "new.csv", "predict": "new.csv", "report": "new.html", "export": "new.onnx"}


_VERBS: dict[str, Any] = {}


def run(seed: int, count: int) -> dict[str, int]:
    """`count` requests; the counts of their exit codes and of what must not be. Examples go to stderr."""
    warm()
    found = dict.fromkeys(("requests", "exit_0", "exit_1", "exit_2", "exit_130", *COUNTED, "other_codes"), 0)
    with _world() as root:
        before = _state(root)
        for number in range(count):
            words = request(random.Random(f"{seed}/{number}"))
            ended = command(words, root)
            found["requests"] += 1
            code = f"exit_{ended.code}"
            found[code if code in found else "other_codes"] += 1
            after = _state(root)
            wrong = _wrong(ended, {path for path in before if after.get(path) != before[path]})
            for kind in wrong:
                found[kind] += 1
                if found[kind] <= SHOWN:
                    print(f"{kind}: {[word[:80] for word in words]}\n{_end(ended)}", file=sys.stderr, flush=True)
            if after != before:
                _restore(root)
                before = _state(root)
    return found


def request(draw: random.Random) -> list[str]:
    """One wrong request, or one that is right by chance and short."""
    from typer.main import get_command

    from cardinet.cli.verbs import app

    if not _VERBS:
        _VERBS.update(get_command(app).commands)  # type: ignore[attr-defined]
    verbs = _VERBS
    verb = draw.choice(sorted(verbs))
    words = [verb, *BASE.get(verb, [])]
    often, right = draw.choice([0.06, 0.12, 0.3]), draw.choice([0.2, 0.9])
    for parameter in verbs[verb].params:
        is_option = parameter.opts[0].startswith("-")
        if parameter.name == "help" or (is_option and not parameter.required and draw.random() > often):
            continue
        if not is_option and draw.random() < 0.03:
            continue
        option = [draw.choice(parameter.opts)] if is_option else []
        if getattr(parameter, "is_flag", False):
            words += option
            continue
        repeats = draw.choice([1, 1, 1, 2]) if getattr(parameter, "multiple", False) or parameter.nargs == -1 else 1
        for _ in range(repeats):
            usual = NEW.get(verb, "new") if parameter.name == "out" else RIGHT.get(str(parameter.name))
            is_right = usual is not None and draw.random() < right
            words += [*option, str(usual) if is_right else _value(draw, parameter)]
    return [word.replace("\0", "") for word in words]


def _value(draw: random.Random, parameter: Any) -> str:
    """A value for a parameter: mostly of its own kind and wrong, seldom of another."""
    name, kind = str(parameter.name), str(getattr(parameter.type_descriptor, "name", ""))
    if name == "settings":
        key, value = draw.choice(KEYS), draw.choice(VALUES)
        if value in LARGE:
            value = "-7"
        return draw.choice(["", "network.", "data.", "machine."] + [""] * 4) + f"{key}={value}"
    pools: list[list[str]] = [NUMBERS, TEXTS, PATHS, SOURCES]
    if draw.random() < 0.15:
        pool = draw.choice(pools)
    elif "int" in kind or "float" in kind:
        pool = NUMBERS
    elif name == "data" or name == "source":
        pool = SOURCES
    elif name in ("out", "model", "pictures", "runs", "weights", "recipe", "resume", "dry_run"):
        pool = PATHS if draw.random() < 0.6 else ["model.safetensors", "red.png", "run", "set"]
    else:
        pool = TEXTS + NUMBERS
    value = draw.choice(pool)
    return "-7" if value in LARGE and name in ("batch_size", "deepen", "widen", "cardinality") else value


def _wrong(ended: Ended, changed: set[str]) -> Iterator[str]:
    if ended.traceback or (ended.code not in (0, 1, 2, 130) and not (ended.hung or ended.over_memory)):
        yield "tracebacks"
    if ended.hung:
        yield "hangs"
    if ended.over_memory:
        yield "over_memory"
    if changed:
        yield "changed"


def _end(ended: Ended) -> str:
    return "\n".join(f"    {line[:200]}" for line in ended.err.splitlines()[-3:])


@contextmanager
def _world() -> Iterator[Path]:
    """A working folder with files of a user's and what stands in the way, and a cache of its own."""
    with tempfile.TemporaryDirectory(prefix="fuzz-requests-") as folder:
        root, cache = Path(folder) / "work", os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        root.mkdir()
        _fill(root)
        try:
            yield root
        finally:
            if cache is None:
                del os.environ["XDG_CACHE_HOME"]
            else:
                os.environ["XDG_CACHE_HOME"] = cache


def _fill(root: Path) -> None:
    import numpy as np
    from PIL import Image

    from cardinet.data.preprocessing import Preprocessing
    from cardinet.networks.builder import build
    from cardinet.networks.registry import find
    from cardinet.runs.model_file import Model, save_model

    spec = find("resnet20_cifar").spec.but(num_classes=2)
    preprocessing = Preprocessing(channels=3, crop=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    save_model(root / "model.safetensors", Model(build(spec), spec, ("ant", "bee"), preprocessing))
    whole = (root / "model.safetensors").read_bytes()
    (root / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    noise = np.random.default_rng(0)
    for name in ("ant", "bee"):
        for place in ("set", "piped"):
            (root / place / name).mkdir(parents=True)
            for i in range(4):
                Image.fromarray(noise.integers(0, 255, (20, 24, 3), np.uint8)).save(root / place / name / f"{i}.png")
    shutil.copy(root / "set" / "ant" / "0.png", root / "red.png")
    (root / "file").write_text("mine")
    (root / "recipe.toml").write_text('base = "quick"\n')
    (root / "folder").mkdir()
    (root / "run").mkdir()
    (root / "run" / "run.toml").write_text("a = [")
    for name in ("pipe", "pipe.safetensors", "pipe.png", "pipe.toml", "piped/ant/pipe.png"):
        os.mkfifo(root / name)
    for name in ("dangling", "dangling.csv"):
        (root / name).symlink_to("nowhere")
    for name in ("loop", "loop.html"):
        (root / name).symlink_to(name)


def _state(root: Path) -> dict[str, tuple[int, ...]]:
    """What stands in a folder; the user's files by size and time, links by where they point."""
    found = {}
    for place, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = os.path.join(place, name)
            state = os.lstat(path)
            plain = os.path.isfile(path) and not os.path.islink(path)
            found[path] = (state.st_mode, *((state.st_size, state.st_mtime_ns) if plain else ()))
    return found


def _restore(root: Path) -> None:
    """Make the folder anew, as something was written into it, as by a request that was right."""
    for entry in root.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    _fill(root)
