"""Damaged files of every kind that is read, each given to every verb that reads it: words, and no damage passed over.

`run(seed, count)` counts, and prints an example of each thing that must not be on stderr. The same seed gives the same
cases. A verb has 20 s and 4 GB.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from PIL import Image

from fuzzing.damage import Damage, bytes_damaged, of_json, of_lines, of_metadata, of_toml
from fuzzing.forked import BYTES, SECONDS, in_child, warm

NETWORK = "resnet20_cifar --set depths=1,1,1 --set widths=4,8,8 --set stem.width=4 --set network.kind=B"
SHORT = "--set limit=60 --set workers=0 --set threads=1 --set log_every=2_steps --set checkpoint_seconds=0 --out run"


@dataclass(frozen=True)
class Kind:
    """A kind of file: where it stands in the working folder, how it is damaged, and the verbs that read it.

    `carries` says that the damage shows in checksums, so that no verb may end with 0; `same` that what the last verb
    prints has to be what it prints without damage, as of a cache.
    """

    file: str
    damage: Damage
    verbs: tuple[str, ...]
    carries: bool = False
    same: bool = False


MODEL = (
    "predict m.safetensors a.png --json",
    "info m.safetensors",
    "eval m.safetensors --data digits --set limit=20 --workers 0",
    f"train {NETWORK} --weights m.safetensors --dry-run --set threads=1",
    "rewrite m.safetensors --strip --out stripped.safetensors",
    "push m.safetensors me/x --dry-run pushed",
    "explain paths m.safetensors --json",
)
BOOK = ("reproduce equal-counts --out book --json",)
RESUME = ("train --resume half",)
RUN = ("report run", "push run me/x --dry-run pushed", "eval run --workers 0", "train --resume run")
WEIGHTS = (
    f"train {NETWORK} --weights FILE --dry-run --set threads=1 --set size=8",
    f"eval {NETWORK} --weights FILE --data digits --set limit=20 --workers 0 --mean 0.5 --std 0.5",
)


def weights_of(file: str) -> tuple[str, ...]:
    return tuple(verb.replace("FILE", file) for verb in WEIGHTS)


KINDS: dict[str, Kind] = {
    "model file, bytes": Kind("m.safetensors", bytes_damaged, MODEL, carries=True),
    "model file, document": Kind("m.safetensors", of_metadata(False), MODEL, carries=True),
    "model file, sealed again": Kind("m.safetensors", of_metadata(True), MODEL),
    "checkpoint, bytes": Kind("half/checkpoints/last.safetensors", bytes_damaged, RESUME, carries=True),
    "checkpoint, document": Kind("half/checkpoints/last.safetensors", of_metadata(False), RESUME, carries=True),
    "checkpoint, sealed again": Kind("half/checkpoints/last.safetensors", of_metadata(True), RESUME),
    "run.toml, bytes": Kind("run/run.toml", bytes_damaged, RUN),
    "run.toml, document": Kind("run/run.toml", of_toml, RUN),
    "run.toml, resumed": Kind("half/run.toml", of_toml, RESUME),
    "metrics.jsonl, bytes": Kind("run/metrics.jsonl", bytes_damaged, RUN[:1]),
    "metrics.jsonl, lines": Kind("run/metrics.jsonl", of_lines, RUN[:1]),
    "metrics.jsonl, resumed": Kind("half/metrics.jsonl", bytes_damaged, RESUME),
    "evaluation.json, bytes": Kind("run/evaluation.json", bytes_damaged, (RUN[0], RUN[3])),
    "evaluation.json, document": Kind("run/evaluation.json", of_json, (RUN[0], RUN[3])),
    "data.json, bytes": Kind("run/data.json", bytes_damaged, RUN[:1]),
    "data.json, document": Kind("run/data.json", of_json, RUN[:1]),
    "check cache, bytes": Kind("cache/cardinet/check/*.json", bytes_damaged, ("check-data pictures",), same=True),
    "claim of a book, bytes": Kind("book/claims/equal-counts.json", bytes_damaged, BOOK),
    "claim of a book, document": Kind("book/claims/equal-counts.json", of_json, BOOK),
    "recipe, bytes": Kind("r.toml", bytes_damaged, ("train --recipe r.toml --dry-run",)),
    "recipe, document": Kind("r.toml", of_toml, ("train --recipe r.toml --dry-run",)),
    "weights, bytes": Kind("w.safetensors", bytes_damaged, weights_of("w.safetensors"), carries=True),
    "weights, sealed again": Kind("w.safetensors", of_metadata(True), weights_of("w.safetensors")),
    "foreign safetensors": Kind("f.safetensors", bytes_damaged, weights_of("f.safetensors")),
    "foreign checkpoint": Kind("f.pth", bytes_damaged, weights_of("f.pth")),
    "old checkpoint": Kind("f.bin", bytes_damaged, weights_of("f.bin")),
    "Torch7 file": Kind("f.t7", bytes_damaged, weights_of("f.t7")[:1]),
}


COUNTED = ("refused", "accepted", "tracebacks", "hangs", "over_memory", "silent_damage")


def run(seed: int, count: int) -> dict[str, int]:
    """Damage `count` files, equally many of every kind, and count the outcomes."""
    warm()
    found = dict.fromkeys(("mutations", *COUNTED), 0)
    with tempfile.TemporaryDirectory(prefix="fuzz") as place:
        samples, work = Path(place) / "samples", Path(place) / "work"
        work.mkdir()
        make_samples(work)  # where it is used: a cache knows its files by their whole paths
        work.rename(samples)
        expected = {verb: whole for kind in KINDS.values() for verb, whole in _whole(kind, samples, Path(place))}
        for number in range(count):
            name = list(KINDS)[number % len(KINDS)]
            kind = KINDS[name]
            draw = random.Random(f"{seed} {number}")
            (file,) = samples.glob(kind.file)
            data = kind.damage(file.read_bytes(), draw)
            found["mutations"] += 1
            for outcome in outcomes(kind.verbs, samples, Path(place), file, data):
                what = judged(kind, outcome, expected[outcome.verb])
                found[what] += 1
                if what not in ("refused", "accepted"):
                    told = outcome.said.strip().splitlines()[-12:]
                    print(f"{what}: {name}, case {number}: {outcome.verb}\n  " + "\n  ".join(told), file=sys.stderr)
    return found


def readers() -> dict[str, Callable[[Path], object]]:
    """What reads a file in Python, by the end of its name."""
    from cardinet.reproduce.request import Request, resolve
    from cardinet.runs.data_sheet import read_data_sheet
    from cardinet.runs.folder import RunFolder
    from cardinet.runs.metrics import read_rows
    from cardinet.runs.model_file import load_model
    from cardinet.runs.results import read_results
    from cardinet.train.recipe import make_recipe, recipe_document
    from cardinet.train.state import read_state
    from cardinet.weights.read_file import read_file

    return {
        "m.safetensors": load_model,
        "last.safetensors": read_state,
        "run.toml": lambda path: RunFolder(path.parent).record(),
        "metrics.jsonl": read_rows,
        "evaluation.json": read_results,
        "data.json": read_data_sheet,
        "equal-counts.json": lambda path: resolve(Request(names=("forms-are-equal",), out=path.parents[1])),
        "r.toml": lambda path: make_recipe(recipe_document(str(path))),
        **dict.fromkeys(("w.safetensors", "f.safetensors", "f.pth", "f.bin", "f.t7"), read_file),
    }


def read_damaged(seed: int, count: int, samples: Path) -> dict[str, int]:
    """As `run`, in this process and by the functions that read a file; without limits of time and memory."""
    from cardinet.base.errors import CardinetError

    read = readers()
    kinds = {name: kind for name, kind in KINDS.items() if Path(kind.file).name in read}
    found = dict.fromkeys(("mutations", *COUNTED), 0)
    for number in range(count):
        name = list(kinds)[number % len(kinds)]
        kind, file = kinds[name], samples / kinds[name].file
        whole = file.read_bytes()
        found["mutations"] += 1
        file.write_bytes(kind.damage(whole, random.Random(f"{seed} {number}")))
        try:
            read[file.name](file)
            found["silent_damage" if kind.carries else "accepted"] += 1
            if kind.carries:
                print(f"silent_damage: {name}, case {number}", file=sys.stderr)
        except CardinetError:
            found["refused"] += 1
        except Exception:
            found["tracebacks"] += 1
            print(f"{name}, case {number}\n{traceback.format_exc()}", file=sys.stderr)
        finally:
            file.write_bytes(whole)
    return found


@dataclass(frozen=True)
class Outcome:
    """How a verb ended: its exit code, what it printed on stdout and on stderr, its seconds."""

    verb: str
    code: int
    out: str
    said: str
    seconds: float
    over_memory: bool = False


def _whole(kind: Kind, samples: Path, place: Path) -> Iterator[tuple[str, Outcome]]:
    """What the verbs make of the files without damage: each does its work."""
    for whole in outcomes(kind.verbs, samples, place):
        if whole.code != 0:
            raise AssertionError(f"{whole.verb} ends with {whole.code} without any damage: {whole.said}")
        yield whole.verb, whole


def judged(kind: Kind, outcome: Outcome, expected: Outcome) -> str:
    """What an outcome counts as; `expected` is that of the file without damage."""
    if outcome.over_memory:
        return "over_memory"
    if outcome.seconds > SECONDS:
        return "hangs"
    if "Traceback (most recent call last)" in outcome.said or outcome.code not in (0, 1, 2):
        return "tracebacks"
    if kind.same and outcome.out != expected.out:
        return "silent_damage"
    if outcome.code == 0:
        return "silent_damage" if kind.carries else "accepted"
    return "refused" if outcome.said.startswith("error: ") or "\nerror: " in outcome.said else "tracebacks"


def outcomes(
    verbs: Sequence[str], samples: Path, place: Path, file: Path | None = None, data: bytes = b""
) -> list[Outcome]:
    """What the verbs make of the samples with other contents of one of them, one after the other in one child."""
    folder, report = place / "work", place / "outcomes"
    shutil.rmtree(folder, ignore_errors=True)
    report.unlink(missing_ok=True)
    shutil.copytree(samples, folder)
    if file is not None:
        (folder / file.relative_to(samples)).write_bytes(data)

    def work() -> None:
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        with open(report, "w", buffering=1) as lines:
            lines.writelines(json.dumps(_outcome(verb).__dict__) + "\n" for verb in verbs)

    ended = in_child(work, folder, seconds=SECONDS * len(verbs), memory=BYTES)
    lines = report.read_text().splitlines() if report.exists() else []
    done = [Outcome(**json.loads(line)) for line in lines]
    if len(done) < len(verbs):  # the child was killed, or fell
        said = ended.err or f"the child ended with {ended.code}"
        seconds = ended.seconds if ended.hung else 0.0
        done.append(Outcome(verbs[len(done)], -9, ended.out, said, seconds, ended.over_memory))
    return done


def _outcome(verb: str) -> Outcome:
    from cardinet.cli.main import outcome

    out, said, started, code = io.StringIO(), io.StringIO(), time.monotonic(), -1
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            code = outcome(verb.split())
        except BaseException:
            traceback.print_exc()
    return Outcome(verb, code, out.getvalue(), said.getvalue(), time.monotonic() - started)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before, cache = os.getcwd(), os.environ.get("XDG_CACHE_HOME")
    os.chdir(folder)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    try:
        yield
    finally:
        os.chdir(before)
        if cache is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = cache


def make_samples(folder: Path) -> None:
    """A finished run and one half done, its model file, weights in every format, a recipe, pictures and their cache."""
    import cardinet
    from cardinet.cli.main import outcome
    from cardinet.train.saving import Saving
    from cardinet.train.state import Progress

    save = Saving.save

    def halfway(saving: Saving, progress: Progress, **what: bool) -> None:
        save(saving, progress, **what)
        saving.writes.wait()
        if progress.step == 4:
            shutil.copytree(saving.folder.path, "half")

    with _inside(folder), contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        with mock.patch.object(Saving, "save", halfway):
            words = f"train {NETWORK} {SHORT} --set length=6_steps --set evaluate_every=3_steps".split()
            assert outcome([word.replace("_steps", " steps") for word in words]) == 0, said.getvalue()
        shutil.copy("run/model.safetensors", "m.safetensors")
        Image.effect_noise((8, 8), 90).save("a.png")
        network = cardinet.load("m.safetensors").network
        _write_weights(network)
        Path("r.toml").write_text(
            'name = "mine"\n[network]\nid = "resnet20_cifar"\n[network.delta]\ndepths = [1, 1, 1]\n[optimizer]\n'
            'lr = 0.1\nclip = 1.0\n[schedule]\nkind = "step"\ndrops = ["2 steps", "50 %"]\n[training]\n'
            'length = "6 steps"\nbatch_size = 32\n[machine]\nthreads = 1\n[preprocessing]\nmean = [0.5]\nstd = [0.5]\n'
        )
        for i in range(4):
            Path(f"pictures/{'ab'[i % 2]}").mkdir(parents=True, exist_ok=True)
            Image.effect_noise((9, 8 + i), 90).save(f"pictures/{'ab'[i % 2]}/{i}.png")
        assert outcome(["check-data", "pictures"]) in (0, 1)
        assert outcome(BOOK[0].split()) == 0


def _write_weights(network: Any) -> None:
    import safetensors.torch

    import cardinet
    from weights import t7_writer

    cardinet.save_weights(network, "w.safetensors")
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    safetensors.torch.save_file(state, "f.safetensors")
    torch.save({"epoch": 3, "state_dict": state, "best": 0.5}, "f.pth")
    torch.save(state, "f.bin", _use_new_zipfile_serialization=False)
    Path("f.t7").write_bytes(t7_writer.dumps(t7_writer.network(network, 8)))
