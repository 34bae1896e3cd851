"""Proof: a bulk prediction has one row for each picture, whatever is killed, in memory that does not grow.

command   python proofs/bulk_predictions.py [--parts kills million] [--kills 20] [--rows 1000000]
expected  "passed" for every part, and exit code 0; 1 where a row is missing, doubled or wrong, or where memory grows
time      10 minutes on 2 CPU cores (kills 3, million 7)

kills     `cardinet predict` with the ResNet-20 of ../shared over CIFAR-10's 10,000 test pictures by processes of Ray,
          one of which is killed with SIGKILL at random moments. The rows are those of an undisturbed work of one
          process.
million   1,000,000 generated pictures of 8 x 8 pixels in parquet, without labels, by one process. Its resident memory
          is read each second; after the first tenth of the rows it grows by at most 5 %.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from PIL import Image

from cardinet.build.builder import build
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import open_source
from cardinet.networks.registry import find
from cardinet.runs.model_file import Model, save_model
from cardinet.train.pretrained import prepared

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
PICTURES = SHARED / "cifar10" / "test-00000-of-00001.parquet"
GROWTH = 1.05


def command(model: Path, pictures: Path, out: Path, *words: str) -> list[str]:
    about = ["--device", "cpu", "--workers", "1", "--out", f"parquet:{out}"]
    return [sys.executable, "-m", "cardinet", "predict", str(model), f"parquet:{pictures}", *about, *words]


def started(words: list[str], said: Path) -> subprocess.Popen[bytes]:
    with open(said, "ab") as file:
        return subprocess.Popen(words, stdout=file, stderr=file, start_new_session=True)


def resnet20(path: Path) -> None:
    """The published ResNet-20 as a model file with the names of the classes."""
    source = open_source(f"parquet:{SHARED / 'cifar10'}", DataSettings(limit=10))
    make = prepared("cpu", network="resnet20_cifar", weights=str(SHARED / "weights" / "resnet20-12fca82f.th"))
    model, _ = make(source)
    how = model.preprocessing.model_copy(update={"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)})
    save_model(path, Model(model.network, model.spec, model.classes, how))


def workers() -> list[int]:
    """The processes of Ray that predict: Ray gives them the name of their actor."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cmdline").read_bytes().startswith(b"ray::Worker"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def same_rows(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables have the same rows in the same order; probabilities may differ by 1e-6."""
    if one.schema != other.schema or len(one) != len(other):
        return False
    texts = [name for name in one.schema.names if not name.startswith("probability")]
    numbers = [name for name in one.schema.names if name.startswith("probability")]
    close = all(np.allclose(one[name].to_numpy(), other[name].to_numpy(), rtol=0, atol=1e-6) for name in numbers)
    return close and all(one[name].equals(other[name]) for name in texts)


def kills(folder: Path, options: argparse.Namespace) -> bool:
    model, said = folder / "resnet20.safetensors", folder / "said.txt"
    resnet20(model)
    whole, cut = folder / "whole", folder / "cut"
    began = time.monotonic()
    if started(command(model, PICTURES, whole), said).wait():
        sys.exit(said.read_text()[-3000:])
    print(f"one process: {10_000 / (time.monotonic() - began):.0f} rows a second with its start")
    draw, done, starts = random.Random(options.seed), 0, 0
    words = command(model, PICTURES, cut, "--engine", "ray", "--processes", "2", "--shard-rows", "250")
    while True:
        process, starts = started(words, said), starts + 1
        while process.poll() is None:
            time.sleep(draw.uniform(1.0, 8.0))
            found = workers()
            if done < options.kills and found:
                os.kill(draw.choice(found), signal.SIGKILL)
                done += 1
        if process.returncode:
            sys.exit(said.read_text()[-3000:])
        if done >= options.kills:
            break
        for file in sorted(cut.glob("part-*"))[::2]:  # too few kills before the end: more work
            file.unlink()
    one, other = pq.read_table(whole), pq.read_table(cut)
    names = other["path"]
    labels = pq.read_table(PICTURES, columns=["label"])["label"].to_pylist()
    classes = open_source(f"parquet:{SHARED / 'cifar10'}", DataSettings(limit=10)).classes
    right = sum(classes[k] == name for k, name in zip(labels, other["predicted"].to_pylist(), strict=True))
    twice = len(names) - pc.count_distinct(names).as_py()
    missing = 10_000 - pc.count_distinct(names).as_py()
    print(f"{done} kills of workers in {starts} starts: {len(names):,} rows, {twice} twice, {missing} missing")
    print(f"{right:,} of 10,000 are right (published weights: 9,173)")
    left = [entry.name for entry in Path(tempfile.gettempdir()).glob("cardinet-ray-*")]
    print(f"left of Ray: {left or 'nothing'}; processes: {workers() or 'none'}")
    return same_rows(one, other) and (twice, missing, right, left, workers()) == (0, 0, 9173, [], [])


def generated(folder: Path, rows: int) -> None:
    """Parquet files of 100,000 pictures each, of which every thousandth differs from those before it."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (1000, 8, 8, 3), dtype=np.uint8)
    cells = []
    for picture in pixels:
        Image.fromarray(picture).save(file := io.BytesIO(), "PNG")
        cells.append(file.getvalue())
    for start in range(0, rows, 100_000):
        count = min(100_000, rows - start)
        column = pa.array([cells[i % 1000] for i in range(count)], pa.binary())
        pq.write_table(pa.table({"image": column}), folder / f"{start:08d}.parquet", row_group_size=10_000)


def resident(process: int) -> int:
    """Bytes of resident memory; 0 when the process is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def million(folder: Path, options: argparse.Namespace) -> bool:
    spec = find("resnext11_8x16d_digits").spec.but(num_classes=10, in_channels=3)
    how = Preprocessing(channels=3, resize=None, crop=8, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    torch.manual_seed(0)
    model = folder / "small.safetensors"
    save_model(model, Model(build(spec).eval(), spec, tuple("0123456789"), how))
    generated(folder / "pictures", options.rows)
    out = folder / "answers"
    process = started(command(model, folder / "pictures", out, "--top", "1", "--shard-rows", "10000"), folder / "said")
    shards = -(-options.rows // 10_000)
    seen: list[tuple[float, int, int]] = []
    while process.poll() is None:
        done = len(list(out.glob("part-*")))
        seen.append((time.monotonic(), done, resident(process.pid)))
        time.sleep(1)
    if process.returncode:
        sys.exit((folder / "said").read_text()[-3000:])
    tenth = next((at for at in seen if at[1] >= shards / 10), seen[-1])
    later = [at for at in seen if at[1] >= shards / 10 and at[2]]
    speed = (later[-1][1] - tenth[1]) * 10_000 / (later[-1][0] - tenth[0])
    most = max(at[2] for at in later)
    files: list[Any] = sorted(out.glob("part-*"))
    count = sum(pq.read_metadata(file).num_rows for file in files)
    print(f"{count:,} rows in {len(files)} shards, {speed:,.0f} rows a second")
    print(f"resident after a tenth {tenth[2] / 2**20:.1f} MiB, most after it {most / 2**20:.1f} MiB")
    first = pq.read_table(files[0])
    rest = all(pq.read_table(f, columns=["predicted"])["predicted"] == first["predicted"] for f in files[1:])
    print(f"equal pictures have equal answers: {rest}")
    return count == options.rows and most <= GROWTH * tenth[2] and rest


PARTS = {"kills": kills, "million": million}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="an empty folder to work in, and to look at after")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        for part in options.parts:
            passed = PARTS[part](folder, options)
            print(f"{part}: {'passed' if passed else 'FAILED'}", flush=True)
            good &= passed
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
