"""data.json: the pictures of a run as they were when it began, and as the network sees them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cardinet.base.errors import WorkError
from cardinet.data.batches import TrainBatches
from cardinet.data.sampling import Sampling
from cardinet.runs.data_sheet import DataSheet, read_data_sheet
from cardinet.train.describe_data import SHOWN, make_data_sheet
from cardinet.train.listener import Listener
from cardinet.train.request import Request, Resolved, resolve


def resolved(source: str, *more: tuple[str, object]) -> Resolved:
    settings = (("data.source", source), ("machine.threads", 1), ("machine.workers", 0), *more)
    return resolve(Request(network="resnet20_cifar", settings=settings), Listener())


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of two classes, of which one is grey, one turned, one there twice and one damaged."""
    root = tmp_path_factory.mktemp("flowers")
    for split, count in (("train", 9), ("val", 3)):
        for label, name in enumerate(("daisy", "tulip")):
            for i in range(count + label):
                path = root / split / name / f"{i}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.random.default_rng(100 * label + 10 * count + i).integers(
                    0, 256, (80, 70 + i, 3), dtype=np.uint8
                )
                Image.fromarray(pixels).save(path)
    first = root / "train" / "daisy" / "0.jpg"
    Image.open(first).convert("L").save(root / "train" / "daisy" / "grey.png")
    (root / "val" / "tulip" / "twin.jpg").write_bytes(first.read_bytes())
    (root / "train" / "tulip" / "cut.jpg").write_bytes(first.read_bytes()[:900])
    return root


def test_photographs(flowers: Path) -> None:
    varied = (("data.on_bad_image", "skip"), ("size", 40), ("flip", 0.5), ("brightness", 0.4), ("batch_size", 7))
    request = resolved(str(flowers), *varied)
    sheet = make_data_sheet(request.task, request.findings)
    assert sheet.counts == {"train": (10, 10), "validation": (3, 5)}
    assert sheet.examined == 29
    found = {(group.kind, group.bad): (group.count, group.examples) for group in sheet.findings}
    assert [bad for _, bad in found] == sorted((bad for _, bad in found), reverse=True)
    damaged = next(group for group in sheet.findings if group.bad)
    assert damaged.examples[0].startswith("train/tulip/cut.jpg: ")
    assert found["grey", False] == (1, ("train/daisy/grey.png: it has one channel",))
    assert found["duplicate", False][1][0].startswith("val/tulip/twin.jpg: the same bytes as train/daisy/0.jpg, ")
    task = request.task
    batch = next(
        TrainBatches(
            task.source.splits["train"],
            task.preprocessing,
            task.recipe.augmentation,
            sampling=Sampling(task.recipe.machine.seed, 7),
            workers=0,
            device="cpu",
        ).stream()
    )
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (task.preprocessing.mean, task.preprocessing.std))
    pixels = ((batch.pixels * std + mean) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert len(sheet.shown) == 7
    for picture, row, values in zip(sheet.shown, batch.index, pixels, strict=True):
        assert picture.name == task.source.splits["train"].names.key(int(row))
        assert picture.label == task.source.classes[task.source.splits["train"].labels[row]]
        shown = np.asarray(Image.open(io.BytesIO(picture.thumbnail().png)))
        assert np.array_equal(shown, values)
    assert read_back(sheet, flowers.parent / "data.json") == sheet


def read_back(sheet: DataSheet, path: Path) -> DataSheet | None:
    path.write_text(sheet.model_dump_json())
    return read_data_sheet(path)


def test_pictures_in_memory() -> None:
    request = resolved("digits")
    sheet = make_data_sheet(request.task, request.findings)
    assert {name: sum(counts) for name, counts in sheet.counts.items()} == {
        name: len(split) for name, split in request.task.source.splits.items()
    }
    assert (sheet.examined, sheet.findings, len(sheet.shown)) == (0, (), SHOWN)
    assert {(p.width, p.height) for p in sheet.shown} == {(8, 8)}
    task = request.task
    batches = TrainBatches(
        task.source.splits["train"],
        task.preprocessing,
        task.recipe.augmentation,
        sampling=Sampling(0, task.clock.batch_size),
        workers=0,
        device="cpu",
    )
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (task.preprocessing.mean, task.preprocessing.std))
    pixels = ((next(batches.stream()).pixels * std + mean) * 255).round()[:SHOWN, 0].numpy()
    shown = [np.asarray(Image.open(io.BytesIO(picture.thumbnail().png))) for picture in sheet.shown]
    assert np.array_equal(np.stack(shown), pixels)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"counts": {"train": [-1]}}', "\xff", "[" * 5000, '{"examined": 1e999}']
)
def test_a_damaged_file_is_one_sentence(text: str, tmp_path: Path) -> None:
    assert read_data_sheet(tmp_path / "data.json") is None
    (tmp_path / "data.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(WorkError, match=r"data\.json is damaged: ") as error:
        read_data_sheet(tmp_path / "data.json")
    assert len(error.value.findings) == 1
    (tmp_path / "folder").mkdir()
    with pytest.raises(WorkError, match=r"folder (is damaged: it is not a regular file|cannot be read)"):
        read_data_sheet(tmp_path / "folder")
