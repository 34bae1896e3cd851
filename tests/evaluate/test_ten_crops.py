"""Ten crops against torchvision's, and their average against a loop over pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from cardinet.base.errors import WorkError
from cardinet.build.builder import build
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import open_source
from cardinet.evaluate.classification import evaluate
from cardinet.evaluate.evaluation_settings import EvaluationSettings
from cardinet.evaluate.ten_crop import ten_crops
from cardinet.networks.registry import find

SIZES = [(40, 30), (30, 47), (24, 24), (64, 33)]


@pytest.mark.parametrize("size", SIZES)
def test_crops_are_those_of_torchvision(size: tuple[int, int]) -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(drawn)
    preprocessing = Preprocessing(channels=3, resize=24, crop=20, mean=(0.5,) * 3, std=(0.2,) * 3)
    expected = functional.ten_crop(functional.resize(image, 24), [20, 20])
    found = ten_crops(image, preprocessing)
    assert found.shape == (10, 3, 20, 20)
    assert torch.equal(found, torch.stack([functional.pil_to_tensor(crop) for crop in expected]))


def test_a_picture_smaller_than_the_crop_stands_on_black() -> None:
    preprocessing = Preprocessing(channels=1, crop=6, mean=(0.5,), std=(0.2,))
    found = ten_crops(Image.new("L", (4, 4), 255), preprocessing)
    assert found.shape == (10, 1, 6, 6)
    assert found.sum(dim=(1, 2, 3)).tolist() == [16 * 255] * 10


def test_probabilities_are_the_average_of_the_crops() -> None:
    split = open_source("digits", DataSettings(limit=23)).splits["test"]
    preprocessing = Preprocessing(channels=1, resize=10, crop=8, mean=(0.3,), std=(0.4,))
    torch.manual_seed(0)
    network = build(find("resnext11_8x16d_digits").spec).eval()
    predicted, losses = [], []
    with torch.inference_mode():
        for i in range(len(split)):
            logits = network(preprocessing.normalise(ten_crops(split.picture(i), preprocessing)))
            average = logits.double().softmax(1).mean(0)
            predicted.append(int(average.argmax()))
            losses.append(-float(average[split.labels[i]].log()))
    found = evaluate(network, split, preprocessing, 10, EvaluationSettings(crops=10, batch_size=64))
    assert found.predicted.tolist() == predicted
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert found.count == 23


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (70, 80), (i, 9, 9)).save(tmp_path / "train" / name / f"{i}.png")
    split = open_source(str(tmp_path), DataSettings(validation=0.0, test=0.0)).splits["train"]
    damaged = tmp_path / "train" / "a" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    preprocessing = Preprocessing(channels=3, crop=32, mean=(0.5,) * 3, std=(0.2,) * 3)
    network = build(find("resnet20_cifar").spec.but(num_classes=2))
    with pytest.raises(WorkError, match=r"1\.png"):
        evaluate(network, split, preprocessing, 2, EvaluationSettings(crops=10))


def test_number_of_sizes() -> None:
    assert len(SIZES) == 4
