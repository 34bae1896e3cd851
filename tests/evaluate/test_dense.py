"""Dense evaluation against an explicit loop over windows, and other sizes of the input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import cardinet
from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import open_source
from cardinet.evaluate.classification import evaluate
from cardinet.evaluate.dense import Dense, slide
from cardinet.evaluate.evaluation_settings import EvaluationSettings
from cardinet.networks.registry import find
from cardinet.runs.model_file import Model

NETWORKS: dict[str, dict[str, Any]] = {
    "resnet18": {"widths": (8, 8, 16, 16), "stem.width": 8},
    "vgg16": {"depths": (1, 1, 1), "widths": (8, 8, 8)},
    "densenet121": {"depths": (1, 1, 1, 1), "growth": 8, "stem_width": 8},
    "googlenet": {"widths": (((4, 4, 8, 4, 4, 4),), ((8, 4, 8, 4, 4, 4),), ((8, 4, 8, 4, 4, 4),))},
    "dfn_mr1": {"depths": (1, 1, 1), "widths": (8, 8, 8)},
}
CROP = 64


def made(name: str) -> Classifier:
    torch.manual_seed(0)
    return build(find(name).spec.but(num_classes=4, **NETWORKS[name])).eval()


def preprocessing(resize: int = 80) -> Preprocessing:
    return Preprocessing(channels=3, resize=resize, crop=CROP, mean=(0.5,) * 3, std=(0.2,) * 3)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_the_head_is_applied_at_every_place_and_averaged(name: str) -> None:
    network = made(name)
    dense = slide(network, preprocessing())
    x = torch.randn(2, 3, 100, 132)
    last = network.forward_features(x)
    high, wide = dense.window
    expected = [
        network.forward_head(last[:, :, i : i + high, j : j + wide])
        for i in range(last.shape[2] - high + 1)
        for j in range(last.shape[3] - wide + 1)
    ]
    assert len(expected) > 1
    assert torch.allclose(dense(x), torch.stack(expected).mean(0), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_at_the_size_of_one_crop_it_is_the_network(name: str) -> None:
    network = made(name)
    x = torch.randn(2, 3, CROP, CROP)
    assert torch.equal(slide(network, preprocessing())(x), network(x))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draws = np.random.default_rng(0)
    for label in ("a", "b", "c", "d"):
        (tmp_path / label).mkdir()
        for i, size in enumerate([(90, 130), (130, 90), (90, 130), (40, 60)]):
            Image.fromarray(draws.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / label / f"{i}.png")
    return tmp_path


def test_an_evaluation_counts_every_whole_picture_once(folder: Path) -> None:
    network = made("resnet18")
    split = open_source(str(folder), DataSettings(), lambda listing: None).splits["all"]
    found = evaluate(network, split, preprocessing(), 4, EvaluationSettings(crops="dense", batch_size=3))
    assert found.count == 16
    dense = Dense(network, slide(network, preprocessing()).window)
    for i in range(16):
        image = preprocessing().resized(preprocessing().to_mode(split.picture(i)))
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        with torch.no_grad():
            chances = dense(preprocessing().normalise(pixels)).softmax(1)
        assert found.confidence_of_truth[i] == pytest.approx(float(chances[0, int(split.labels[i])]), abs=1e-5)


def test_another_size_resizes_in_proportion(folder: Path) -> None:
    model = Model(made("resnet18"), find("resnet18").spec, ("a", "b", "c", "d"), preprocessing())
    larger = Model(model.network, model.spec, model.classes, preprocessing(120).model_copy(update={"crop": 96}))
    found = cardinet.evaluate(model, str(folder), size=96)
    assert np.allclose(found.confidence_of_truth, cardinet.evaluate(larger, str(folder)).confidence_of_truth)
    with pytest.raises(RequestError, match="size"):
        cardinet.evaluate(model, str(folder), size=0)


def test_a_size_that_the_network_cannot_take_is_refused(folder: Path) -> None:
    model = Model(made("vgg16"), find("vgg16").spec, ("a", "b", "c", "d"), preprocessing())
    with pytest.raises(RequestError, match="4"):
        cardinet.evaluate(model, str(folder), size=4)
