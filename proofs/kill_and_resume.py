"""Proof: a run that is killed many times, at any moment, ends with the same bits as a run that is not killed.

command   python proofs/kill_and_resume.py --kills 25                             digits, in memory
          python proofs/kill_and_resume.py --kills 25 --photographs --workers 0   decoded by the process itself
          python proofs/kill_and_resume.py --kills 25 --photographs --workers 2   decoded by two processes
          python proofs/kill_and_resume.py --kills 25 --shards files              of tar shards
          python proofs/kill_and_resume.py --kills 25 --shards server --workers 2 fetched from a server on this machine
          python proofs/kill_and_resume.py --kills 25 --set "methods=Mixup, WeightAverage" --set accumulate=3
expected  "the same bits" and exit code 0; 1 where anything differs
time      3 to 8 minutes each on 2 CPU cores

A reference run is not disturbed. A second run of the same command is killed with SIGKILL from outside and resumed, or
started again if it has no run folder yet. Each kill aims at a phase (`kill_phases`). If a run ends before all kills are
done, another run begins. Every process works in another folder, and names photographs by a relative path. All files of
each run are compared byte by byte (`run_files`), without the values that a clock has measured: the tensors of the
checkpoints (parameters, BN statistics, momenta, random generators) and the loop's state, metrics.jsonl, the model file,
evaluation.json, and run.toml without its date and command.
"""

from __future__ import annotations

import argparse
import http.server
import io
import os
import random
import shlex
import shutil
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from cardinet.runs.checkpoint import load_checkpoint
from cardinet.runs.environment import hardware, versions
from kill_phases import EVALUATE_EVERY, QUOTAS, aim, hit, kill
from run_files import WHOLE, differences, last_row, rows
from run_process import finish, launch

FLOWERS = Path(__file__).resolve().parents[2] / "shared" / "data" / "flowers"


@dataclass(frozen=True)
class Run:
    """The training to kill: on the digits, or on the photographs of a folder."""

    workers: int
    photographs: Path | None
    more: tuple[str, ...] = ()
    """Further settings, KEY=VALUE."""

    server: str = ""
    """The address of a server of the folder, which then holds tar shards."""

    def source(self, folder: Path, photographs: Path) -> str:
        """The pictures, as they are named in a working folder."""
        shards = sorted(photographs.glob("*.tar"))
        if self.server:
            return f"webdataset:{'::'.join(f'{self.server}/{shard.name}' for shard in shards)}"
        return ("webdataset:" if shards else "") + os.path.relpath(photographs, folder)

    def words(self, folder: Path) -> list[str]:
        """The words after `cardinet train` in a working folder, without --out."""
        settings = {"checkpoint_seconds": 0.2, "log_every": "5 steps", "evaluate_every": f"{EVALUATE_EVERY} steps"}
        words = ["--workers", str(self.workers)]
        if self.photographs is None:
            settings |= {"length": "2400 steps", "threads": "1"}
        else:
            source = self.source(folder, self.photographs)
            words += ["resnet20_cifar", "--data", source, "--batch-size", "16"]
            settings |= {"length": "500 steps", "data.limit": "160", "size": "48", "threads": "1"}
        for setting in self.more:
            key, _, value = setting.partition("=")
            settings[key] = value
        return words + [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def make_photographs(root: Path) -> Path:
    """Write pictures of noise in three classes, for a machine without the flowers."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("val", 20)):
        for name in ("ant", "bee", "cat"):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (110 + i, 130 - i, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.jpg")
    return root


def make_shards(photographs: Path, root: Path) -> Path:
    """Tar shards of some of the photographs of class folders, ten in each shard."""
    root.mkdir()
    for split, count in (("train", 160), ("val", 40)):
        files = sorted(photographs.glob(f"{split}*/*/*"))
        chosen = [files[i * len(files) // count] for i in range(count)]
        random.Random(0).shuffle(chosen)
        for shard in range(0, count, 10):
            with tarfile.open(root / f"{split}-{shard:03d}.tar", "w") as out:
                for number, file in enumerate(chosen[shard : shard + 10]):
                    for suffix, content in (("jpg", file.read_bytes()), ("cls", file.parent.name.encode())):
                        member = tarfile.TarInfo(f"{number}.{suffix}")
                        member.size = len(content)
                        out.addfile(member, io.BytesIO(content))
    return root


@contextmanager
def served(root: Path) -> Iterator[str]:
    """The address of a web server of a folder."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


@contextmanager
def shard_run(run: Run, shards: Path, place: str) -> Iterator[Run]:
    """The run on shards. Those of a server are kept in a cache that holds six of them: two windows of three."""
    os.environ["XDG_CACHE_HOME"] = str(shards.parent / "cache")
    size = sum(sorted(file.stat().st_size for file in shards.iterdir())[-6:])
    more = ("data.shuffle_shards=3", f"data.shard_cache={size / 2**30:.9f}", *run.more)
    run = replace(run, photographs=shards, more=more)
    if place == "files":
        yield run
        return
    with served(shards) as address:
        yield replace(run, server=address)


@dataclass
class Stress:
    """The killed runs: all kills, and the runs that reached their end."""

    what: Run
    folder: Path
    length: int
    chance: random.Random
    places: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    aims: Counter[str] = field(default_factory=Counter)
    finished: list[Path] = field(default_factory=list)

    def run(self, kills: int) -> None:
        number = 1
        while sum(self.hits.values()) < kills:
            run = self.folder / f"killed-{number}" / "run"
            target = aim(self.hits, kills, run, self.chance)
            place = self.next_place()
            attempt = launch(self.next_words(run, place), place)
            if kill(target, run, self.length, attempt, self.chance):
                self.note(target, hit(run, self.length, attempt), run)
            elif attempt.process.returncode == 0:
                self.finished.append(run)
                number += 1
                if len(self.finished) > kills:
                    sys.exit(
                        f'FAILED: runs end before a kill; does the folder still show "{target}" as kill_phases expects?'
                    )
            else:
                sys.exit(f"FAILED: a process ended by itself with {attempt.process.returncode}: {attempt.said}")
        run = self.folder / f"killed-{number}" / "run"
        place = self.next_place()
        finish(self.next_words(run, place), place)
        self.finished.append(run)

    def note(self, target: str, phase: str, run: Path) -> None:
        self.aims[target] += 1
        self.hits[phase] += 1
        place = f"step {last_row(run).get('step', 0)}"
        print(f"  kill {sum(self.hits.values()):3d}  aimed at {target:22s} hit {phase:22s} {place}", flush=True)

    def next_place(self) -> Path:
        """A working folder, at another depth each time."""
        self.places += 1
        place = self.folder.joinpath("places", *"abc"[: self.places % 3 + 1])
        place.mkdir(parents=True, exist_ok=True)
        return place

    def next_words(self, run: Path, place: Path) -> list[str]:
        run.parent.mkdir(exist_ok=True)
        where = os.path.relpath(run, place)
        return ["train", "--resume", where] if run.exists() else ["train", *self.what.words(place), "--out", where]


def summary(stress: Stress, arguments: argparse.Namespace, started: float) -> str:
    lines = ["", f"{'phase':24s} {'aimed at':>8s} {'hit':>5s}"]
    lines += [f"{phase:24s} {stress.aims[phase]:8d} {stress.hits[phase]:5d}" for phase in [*QUOTAS, "the report"]]
    about = ", ".join(f"{name} {version}" for name, version in versions().items())
    machine = hardware("cpu")
    lines += [
        f"{'together':24s} {sum(stress.aims.values()):8d} {sum(stress.hits.values()):5d}",
        "",
        f"command   python proofs/kill_and_resume.py --kills {arguments.kills} --workers {arguments.workers} "
        f"--seed {arguments.seed}{' --photographs' if arguments.photographs else ''}"
        f"{f' --shards {arguments.shards}' if arguments.shards else ''}"
        f"{''.join(f' --set {shlex.quote(setting)}' for setting in stress.what.more)}",
        f"run       {shlex.join(['cardinet', 'train', *stress.what.words(stress.folder)])}",
        f"versions  {about}",
        f"hardware  {machine['cpu']}, {machine['cores']} cores, {machine['system']}",
        f"time      {time.monotonic() - started:.0f} s",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--workers", type=int, choices=(0, 2), default=0)
    parser.add_argument("--photographs", action="store_true", help="train on photographs, by a relative path")
    parser.add_argument("--shards", choices=("files", "server"), help="train on tar shards of photographs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments of the kills")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a further setting of the runs")
    parser.add_argument("--keep", action="store_true", help="keep the run folders")
    arguments = parser.parse_args()
    started, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="kill-and-resume-"))
    stack = ExitStack()
    try:
        photographs = FLOWERS if FLOWERS.is_dir() else folder / "photographs"
        if (arguments.photographs or arguments.shards) and not photographs.is_dir():
            make_photographs(photographs)
        what = Run(arguments.workers, photographs if arguments.photographs else None, tuple(arguments.set))
        if arguments.shards:
            what = stack.enter_context(shard_run(what, make_shards(photographs, folder / "shards"), arguments.shards))
        reference = folder / "reference"
        finish(["train", *what.words(folder), "--out", str(reference)], folder)
        length = last_row(reference)["step"]
        print(f"reference: {length} steps, {time.monotonic() - started:.0f} s", flush=True)
        chance = random.Random(arguments.seed)
        stress = Stress(what, folder, length, chance)
        stress.run(arguments.kills)
        print(summary(stress, arguments, started))
        found = [f"{run.parent.name}: {text}" for run in stress.finished for text in differences(reference, run)]
        leftovers = [str(path) for path in folder.glob("killed-*/.cardinet-new-*")]
        tensors = load_checkpoint(reference / "checkpoints" / "last.safetensors")[0]
        compared = f"{len(tensors)} tensors each of the last and the best checkpoint, the loop's state, "
        compared += f"{len(rows(reference))} lines of metrics, run.toml, {', '.join(WHOLE)}"
        print(f"compared  {len(stress.finished)} killed run(s) with the reference: {compared}")
        print(f"left      {len(leftovers)} folders of starts that were killed; a start a minute later removes them")
        for text in found:
            print(f"DIFFERS   {text}")
        print("outcome   " + ("DIFFERENT" if found else "the same bits"))
        return 1 if found else 0
    finally:
        stack.close()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
