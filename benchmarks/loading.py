"""Benchmark: training pictures decoded, cropped, flipped and normalised: Cardinet, torchvision and timm, in turn.

command   python benchmarks/loading.py --rounds 7                 CPU time for each picture, without worker processes
          python benchmarks/loading.py --rounds 7 --workers 2     wall time, on a machine where nothing else runs
expected  ours at least as fast as the better one on flowers and imagenette; on phone pictures, with `data.draft`, at
          least 1.5 times as fast
time      about 4 minutes each

Each contender reads the same class folder and gives normalised float32 batches: a resized crop (8 to 100 % of the area,
3/4 to 4/3, bilinear with antialias) to the input's side, and a flip. torchvision is ImageFolder, the v2 transforms
(tensors from the start, and Pillow until the end; the faster counts) and a DataLoader; timm is its own loader without
its prefetcher, which is for GPUs, and without colour jitter. Ours decodes phone pictures with and without `data.draft`.
One thread. Decoding alone is the share of `load_picture` in the time of ours, measured in the same turn. The phone
pictures are made here: photographs of imagenette, or of flowers, enlarged to 2000 x 1500 pixels with noise, in JPEG of
quality 90.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cardinet.data.augmentations.flip import Flip
from cardinet.data.augmentations.resized_crop import ResizedCrop
from cardinet.data.batches import TrainBatches
from cardinet.data.data_settings import DataSettings
from cardinet.data.decode import load_picture
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.sampling import Sampling
from cardinet.data.source import open_source
from cardinet.runs.environment import hardware, versions

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
BATCH = 32
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Batches = Iterator[Tensor]


def ours(folder: Path, side: int, workers: int, draft: bool = False) -> Batches:
    source = open_source(str(folder), DataSettings(validation=0, test=0, draft=draft))
    preprocessing = Preprocessing(channels=3, resize=side, crop=side, mean=MEAN, std=STD)
    batches = TrainBatches(
        source.splits["train"],
        preprocessing,
        {"ResizedCrop": ResizedCrop(), "Flip": Flip()},
        sampling=Sampling(seed=0, batch_size=BATCH),
        workers=workers,
        device="cpu",
    )
    try:
        for batch in batches.stream():
            yield batch.pixels
    finally:
        batches.close()


def torchvision_loader(folder: Path, side: int, workers: int, tensors: bool) -> Batches:
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    first, last = ([v2.PILToTensor()], []) if tensors else ([], [v2.PILToTensor()])
    transform = v2.Compose(
        [
            *first,
            v2.RandomResizedCrop(side, antialias=True),
            v2.RandomHorizontalFlip(),
            *last,
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    data = ImageFolder(folder, transform)
    loader = torch.utils.data.DataLoader(
        data, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0, drop_last=True
    )
    while True:
        for pixels, _ in loader:
            yield pixels


def timm_loader(folder: Path, side: int, workers: int) -> Batches:
    import timm.data.dataset_factory
    import timm.data.loader

    loader = timm.data.loader.create_loader(
        timm.data.dataset_factory.create_dataset("", str(folder)),
        (3, side, side),
        BATCH,
        is_training=True,
        color_jitter=0.0,
        interpolation="bilinear",
        mean=MEAN,
        std=STD,
        num_workers=workers,
        persistent_workers=workers > 0,
        use_prefetcher=False,
        device=torch.device("cpu"),
    )
    while True:
        for pixels, _ in loader:
            yield pixels


def contenders(folder: Path, side: int, workers: int, phone: bool) -> dict[str, Batches]:
    found = {
        "ours": ours(folder, side, workers),
        "torchvision, tensors": torchvision_loader(folder, side, workers, tensors=True),
        "torchvision, Pillow": torchvision_loader(folder, side, workers, tensors=False),
        "timm": timm_loader(folder, side, workers),
    }
    return found | ({"ours, draft": ours(folder, side, workers, draft=True)} if phone else {})


def decoding(folder: Path) -> Callable[[], None]:
    """Decodes as many pictures as a turn of the contenders, which are of the same kinds."""
    rng = np.random.default_rng(0)
    files = [file.read_bytes() for file in sorted(folder.rglob("*.jpg"))]

    def decode() -> None:
        for row in rng.permutation(len(files)).repeat(-(-BATCH // len(files)))[:BATCH]:
            load_picture(files[row], 10**9)

    return decode


def phone_pictures(folder: Path, place: Path, count: int = 48) -> None:
    """Photographs of a folder as large pictures."""
    rng = np.random.default_rng(0)
    chosen = sorted(folder.rglob("*.jpg"))
    for number, row in enumerate(rng.permutation(len(chosen))[:count]):
        large = np.asarray(Image.open(chosen[row]).convert("RGB").resize((2000, 1500), Image.Resampling.BICUBIC))
        noisy = (large + rng.normal(0, 6, large.shape)).clip(0, 255).astype(np.uint8)
        at = place / ("one", "two")[number % 2] / f"{number}.jpg"
        at.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(at, quality=90)


def unpacked(shards: list[Path], place: Path) -> None:
    """The pictures of shards as class folders."""
    for shard in shards:
        with tarfile.open(shard) as tar:
            files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
            for name, file in files.items():
                stem, _, kind = name.partition(".")
                if kind == "jpg" and file is not None:
                    label = files[f"{stem}.cls"]
                    assert label is not None
                    at = place / label.read().decode().strip() / f"{Path(stem).name}.jpg"
                    at.parent.mkdir(parents=True, exist_ok=True)
                    at.write_bytes(file.read())


def turn(batches: Batches, count: int, clock: Callable[[], float]) -> float:
    """Milliseconds for a picture."""
    start = clock()
    for _ in range(count):
        next(batches)
    return (clock() - start) * 1e3 / (count * BATCH)


def measure(name: str, folder: Path, side: int, options: argparse.Namespace) -> dict[str, Any]:
    """Times of all contenders on a folder, with the table on stdout."""
    clock = time.perf_counter if options.workers else time.process_time
    runs = contenders(folder, side, options.workers, name == "phone")
    decode = decoding(folder)
    for batches in runs.values():
        turn(batches, 1 + 4 * options.workers, clock)
    times: dict[str, list[float]] = {contender: [] for contender in (*runs, "decoding alone")}
    count = options.batches if name != "phone" else max(1, options.batches // 8)
    for number in range(options.rounds):
        order = list(runs) if number % 2 else list(runs)[::-1]
        for contender in order:
            times[contender].append(turn(runs[contender], count, clock))
        start = time.process_time()
        decode()
        times["decoding alone"].append((time.process_time() - start) * 1e3 / BATCH)
    for batches in runs.values():
        batches.close()  # type: ignore[attr-defined]
    middle = {contender: statistics.median(values) for contender, values in times.items()}
    others = min(value for contender, value in middle.items() if contender.startswith(("torchvision", "timm")))
    print(f"\n{name}, {side} x {side}, n = {options.rounds} turns of {count} batches of {BATCH}; ms for a picture")
    for contender, values in times.items():
        ratio = "" if not contender.startswith("ours") else f"   {others / middle[contender]:.2f} x the better other"
        print(f"  {contender:22} {middle[contender]:7.3f}  ({min(values):.3f} to {max(values):.3f}){ratio}")
    return {"name": name, "milliseconds": times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=16, help="batches in a turn")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(versions(), hardware("cpu"))
    found = []
    with tempfile.TemporaryDirectory() as place:
        flowers, imagenette, phone = SHARED / "flowers" / "train", Path(place) / "imagenette", Path(place) / "phone"
        unpacked(sorted((SHARED / "imagenette").glob("train-*.tar"))[:2], imagenette)
        phone_pictures(imagenette, phone)
        for name, folder, side in (("flowers", flowers, 128), ("imagenette", imagenette, 224), ("phone", phone, 224)):
            found.append(measure(name, folder, side, options))
    if options.json:
        options.json.write_text(json.dumps({"versions": versions(), "hardware": hardware("cpu"), "found": found}))


if __name__ == "__main__":
    main()
