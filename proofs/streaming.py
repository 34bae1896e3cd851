"""Proof: a million pictures in shards pass through training with memory that does not grow, and well shuffled.

command   python proofs/streaming.py --kind webdataset      tar shards
          python proofs/streaming.py --kind parquet         parquet files, converted to shards in the cache folder
          python proofs/streaming.py --kind webdataset --samples 100000 --shards 100
expected  "flat" and exit code 0; 1 if the resident memory after the first 10 % of the pass exceeds what it was by 5 %
time      10 to 20 minutes on 1 CPU core; 4 GB on the disk, removed at the end without --folder

The pictures are small JPEG files of several sizes, no two alike, so that they stay encoded. One epoch of training
batches is decoded without a network, in one process. The figures: pictures per second of each part, the memory of the
process over the pass, and the quality of the order. That is the rank correlation (Spearman) of the place in the epoch
with the place in the shards (0 is the best; of windows in a random order it deviates by one over the root of their
number), and the mean distance in the shards of two pictures that follow each other in the epoch, as a share of that in
a full shuffle (1 is the best).
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy.stats import spearmanr

from cardinet.data import arrow
from cardinet.data.admission import admitted
from cardinet.data.batches import TrainBatches
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.sampling import Sampling
from cardinet.data.source import Split, open_source
from cardinet.runs.environment import hardware, versions

CLASSES = 10
BASES = 499
"""Different pictures; a comment with its number makes each file another one."""

FIRST = 0.1
GROWTH = 1.05


def encoded(count: int) -> Iterator[bytes]:
    """Small JPEG files, no two alike, of 20 sizes."""
    rng = np.random.default_rng(0)
    bases = []
    for number in range(BASES):
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(coarse).resize((24 + number % 20, 24), Image.Resampling.BICUBIC).save(content, "JPEG")
        bases.append(content.getvalue())
    for number in range(count):
        text = f"{number:08d}".encode()
        base = bases[number % BASES]
        yield base[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + base[2:]  # SOI, COM, the rest


def write_tar(folder: Path, samples: int, shards: int) -> None:
    pictures = encoded(samples)
    for shard in range(shards):
        with tarfile.open(folder / f"train-{shard:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as out:
            for number in range(samples * shard // shards, samples * (shard + 1) // shards):
                for suffix, content in (("jpg", next(pictures)), ("cls", str(number % CLASSES).encode())):
                    member = tarfile.TarInfo(f"{number:08d}.{suffix}")
                    member.size = len(content)
                    out.addfile(member, io.BytesIO(content))


def write_parquet(folder: Path, samples: int, shards: int) -> None:
    pictures = encoded(samples)
    for shard in range(shards):
        numbers = range(samples * shard // shards, samples * (shard + 1) // shards)
        table = pa.table(
            {
                "image": [{"bytes": next(pictures), "path": None} for _ in numbers],
                "label": [number % CLASSES for number in numbers],
            }
        )
        pq.write_table(table, folder / f"train-{shard:06d}.parquet")


WRITERS = {"webdataset": write_tar, "parquet": write_parquet}


def resident() -> int:
    """The bytes of this process in memory: all of them, without the files that are mapped."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


def say(text: str, started: float) -> None:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    memory = f"{resident() / 2**20:7.0f} MiB (at most {most:,.0f} with files)"
    print(f"{time.monotonic() - started:7.0f} s  {memory}  {text}", flush=True)


def quality(split: Split, batches: TrainBatches) -> tuple[float, float]:
    """The rank correlation of the order with the places, and the spread of neighbours against a full shuffle."""
    order = batches.sampling.order(0, split.labels, batches.shards)
    count = len(order)
    spread = float(np.abs(np.diff(order)).mean()) / (count / 3)
    return float(spearmanr(np.arange(count), order).statistic), spread


def passed(batches: TrainBatches, samples: int, started: float) -> list[tuple[float, int]]:
    """Decode one epoch: the share that is done and the memory, a hundred times."""
    measured: list[tuple[float, int]] = []
    done, steps = 0, batches.steps_per_epoch
    for step, batch in enumerate(batches.stream(), 1):
        done += len(batch.index)
        if step * 100 // steps > len(measured):
            measured.append((done / samples, resident()))
            if len(measured) % 10 == 0:
                say(f"{len(measured)} %", started)
        if step == steps:
            break
    batches.close()
    return measured


def prove(arguments: argparse.Namespace, folder: Path) -> bool:
    started = time.monotonic()
    data = folder / f"{arguments.kind}-{arguments.samples}-{arguments.shards}"
    if not data.is_dir():
        data.mkdir(parents=True)
        WRITERS[arguments.kind](data, arguments.samples, arguments.shards)
        say("written", started)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    arrow.IN_MEMORY = 0  # pictures as small as these would all fit
    settings = DataSettings(validation=0.0, test=0.0)
    before = time.monotonic()
    source = open_source(f"{arguments.kind}:{data}", settings)
    say(f"opened, {len(source.splits['train']) / (time.monotonic() - before):,.0f} pictures/s", started)
    if not arguments.unchecked:
        before = time.monotonic()
        source, bad = admitted(source, settings)
        say(f"checked, {arguments.samples / (time.monotonic() - before):,.0f} pictures/s, {len(bad)} bad", started)
    preprocessing = Preprocessing(channels=3, resize=24, crop=24, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    split = source.splits["train"]
    sampling = Sampling(0, 256, window=settings.shuffle_shards)
    batches = TrainBatches(split, preprocessing, {}, sampling=sampling, workers=0, device="cpu")
    correlation, spread = quality(split, batches)
    before = time.monotonic()
    measured = passed(batches, arguments.samples, started)
    seconds = time.monotonic() - before
    first = max(memory for share, memory in measured if share <= FIRST)
    most = max(memory for _, memory in measured)
    flat = most <= first * GROWTH
    machine = hardware("cpu")
    print(
        f"pass      {arguments.samples:,} pictures in {arguments.shards} shards, {arguments.samples / seconds:,.0f}/s"
    )
    print(f"memory    {first / 2**20:,.0f} MiB up to {FIRST:.0%}, {most / 2**20:,.0f} MiB at most: ", end="")
    print("flat" if flat else "GROWS")
    print(f"order     {settings.shuffle_shards} shards together: rank correlation {correlation:+.4f}, ", end="")
    print(f"neighbours {spread:.3f} of a full shuffle")
    print(f"versions  {', '.join(f'{name} {version}' for name, version in versions().items())}")
    print(f"hardware  {machine['cpu']}, {machine['cores']} cores, {machine['system']}")
    return flat


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=WRITERS, default="webdataset")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="where the shards are written, and kept")
    parser.add_argument("--unchecked", action="store_true", help="without the check of all pictures before the pass")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="streaming-"))
    try:
        return 0 if prove(arguments, folder) else 1
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
