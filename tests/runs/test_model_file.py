"""The model file: one file is the whole classifier, and what it cannot be is said."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from safetensors import safe_open

import cardinet
from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.residual import Residual
from cardinet.rewrite.steps import Step, apply
from cardinet.runs.model_file import Model, load_model, save_model
from cardinet.weights.metadata import KEY

SPEC = Residual(
    depths=(1, 1), widths=(8, 16), stem=Stem(layout="cifar", width=8), transform=BOTTLENECK, num_classes=3
).but(cardinality=4, base_width=16)
CLASSES = ("-dash\\", 'été "quoted"\n', "日本🐈")
HALF = Preprocessing(channels=3, resize=20, crop=16, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), antialias=False)


@pytest.fixture
def model() -> Model:
    """A network with weights and statistics of its own, in channels_last."""
    torch.manual_seed(1)
    network = build(SPEC)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            module.running_mean.normal_()
            torch.nn.init.uniform_(module.weight)
    training = {"network": "tiny", "step": 3, "validation": None}
    return Model(network.eval(), SPEC, CLASSES, HALF, training=training)


def logits(model: Model) -> torch.Tensor:
    pixels = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        found: torch.Tensor = model.network(pixels.contiguous(memory_format=torch.channels_last))
    return found


def metadata(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()[KEY])
    return found


def rewritten(path: Path, **changes: Any) -> Path:
    """The file with other metadata; a value of ... is taken away."""
    about = {k: v for k, v in {**metadata(path), **changes}.items() if v is not ...}
    to = path.with_name("changed.safetensors")
    to.write_bytes(safetensors.torch.save(safetensors.torch.load_file(path), {KEY: json.dumps(about)}))
    return to


def test_a_round_trip_gives_the_same_bits(model: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "a.safetensors", model)
    back = load_model(tmp_path / "a.safetensors")
    assert torch.equal(logits(back), logits(model))
    for field in ("spec", "classes", "preprocessing", "rewrites", "training", "version"):
        assert getattr(back, field) == getattr(model, field)
    assert not back.network.training
    save_model(tmp_path / "b.safetensors", back)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_what_is_on_disk(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_model(path, model)
    about = metadata(path)
    assert set(about) == {"schema", "spec", "rewrites", "classes", "preprocessing", "training", "version"}
    assert (about["schema"], about["classes"], about["version"]) == (1, list(CLASSES), cardinet.__version__)
    assert about["spec"]["part"] == "Residual"
    assert about["preprocessing"] == HALF.model_dump(mode="json")
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    weight = model.network.get_parameter("layer1.0.conv2.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert header["layer1.0.conv2.weight"]["shape"] == list(weight.shape)
    start, stop = header["layer1.0.conv2.weight"]["data_offsets"]
    body = raw[8 + int.from_bytes(raw[:8], "little") :][start:stop]
    assert body == weight.detach().contiguous().numpy().tobytes()  # NCHW


def test_it_is_loaded_in_channels_last(model: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "a.safetensors", model)
    convolutions = [p for p in load_model(tmp_path / "a.safetensors").network.parameters() if p.dim() == 4]
    assert len(convolutions) > 4
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in convolutions)


def test_rewrites_are_applied_in_order(model: Model, tmp_path: Path) -> None:
    steps = tuple(Step("form", {"form": form}) for form in ("a", "b"))
    changed = dataclasses.replace(model, network=apply(model.network, steps).eval(), rewrites=steps)
    save_model(tmp_path / "a.safetensors", changed)
    back = load_model(tmp_path / "a.safetensors")
    assert back.spec.transform.form == "c"
    assert back.rewrites == steps
    assert torch.equal(logits(back), logits(changed))
    assert torch.allclose(logits(back), logits(model), atol=1e-5)


def test_a_picture_is_predicted_as_by_hand(model: Model, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    save_model(tmp_path / "model.safetensors", model)
    found = cardinet.load(tmp_path).predict(tmp_path / "a.png", top=2)
    picture = HALF.picture(Image.fromarray(pixels))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (HALF.mean, HALF.std))
    with torch.inference_mode():
        expected = model.network(((picture / 255 - mean) / std)[None])[0].softmax(0)
    order = expected.argsort(descending=True)[:2].tolist()
    assert found.classes == tuple(CLASSES[i] for i in order)
    assert found.probabilities == pytest.approx(expected[order].tolist(), rel=1e-4)


def test_a_network_with_more_outputs_than_classes_names_only_classes(model: Model, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    found = dataclasses.replace(model, classes=CLASSES[:2]).predict(tmp_path / "a.png")
    assert set(found.classes) == set(CLASSES[:2])
    assert sum(found.probabilities) == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"schema": 3, "version": "9.1"}, RequestError, "has schema 3, written by Cardinet 9.1; .* Update Cardinet"),
        ({"schema": "x"}, WorkError, "damaged: schema = 'x'"),
        ({"schema": ...}, WorkError, 'damaged: The entry "schema" is missing'),
        ({"spec": ...}, WorkError, 'damaged: The entry "spec" is missing'),
        ({"spec": {"part": "Nosuch"}}, WorkError, 'cannot be read .This version has no network part "Nosuch"'),
        ({"spec": {"part": "Stem"}}, WorkError, "what it describes is not a network"),
        ({"spec": 3}, WorkError, "damaged: spec = 3"),
        ({"rewrites": [{"name": "nosuch"}]}, WorkError, 'cannot be built: There is no rewrite "nosuch"'),
        ({"rewrites": 3}, WorkError, "damaged: rewrites = 3"),
        ({"classes": [1, 2]}, WorkError, "damaged: classes.0 = 1"),
        ({"classes": "abc"}, WorkError, "damaged: classes = 'abc'"),
        ({"preprocessing": {"crop": 0}}, WorkError, "damaged: "),
        ({"training": None}, WorkError, "damaged: training = None"),
        ({"classes": []}, WorkError, r"damaged: classes = \[\]: "),
        ({"classes": list("abcdef")}, WorkError, "it names 6 classes for 3 outputs"),
        ({"preprocessing": HALF.model_dump() | {"crop": 10**9}}, WorkError, "damaged: preprocessing.crop = 1000000000"),
    ],
)
def test_a_description_that_cannot_be_is_refused(
    changes: dict[str, Any], kind: type[CardinetError], message: str, model: Model, tmp_path: Path
) -> None:
    save_model(tmp_path / "a.safetensors", model)
    with pytest.raises(kind, match=message) as error:
        load_model(rewritten(tmp_path / "a.safetensors", **changes))
    assert "changed.safetensors" in str(error.value)


def test_tensors_of_another_network_are_refused_before_memory_is_taken(model: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "a.safetensors", model)
    for delta in ({"num_classes": 4}, {"depths": (1, 2)}, {"num_classes": 1_000_000}):
        spec = {**metadata(tmp_path / "a.safetensors")["spec"], **delta}
        with pytest.raises(WorkError, match="its tensors are not those of the network"):
            load_model(rewritten(tmp_path / "a.safetensors", spec=spec))


def test_tensors_without_a_description(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(2)}, tmp_path / "a b.safetensors")
    with pytest.raises(RequestError, match=r"cardinet eval resnet50 --weights '.*a b\.safetensors'"):
        load_model(tmp_path / "a b.safetensors")


def test_a_damaged_file_is_never_a_traceback(model: Model, tmp_path: Path) -> None:
    """Cut anywhere, and with bytes of its header changed: a model, or an error of ours."""
    save_model(tmp_path / "a.safetensors", model)
    data = (tmp_path / "a.safetensors").read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    draw = random.Random(0)
    refused = []
    for case in range(150):
        broken = bytearray(data)
        if case % 3 == 0:
            broken = broken[: draw.randrange(len(data))]
        else:
            broken[draw.randrange(header)] = draw.randrange(256)
        (tmp_path / "b.safetensors").write_bytes(broken)
        try:
            load_model(tmp_path / "b.safetensors")
        except CardinetError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert all("b.safetensors" in message for message in refused)


def test_a_failed_write_leaves_the_old_file(model: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "a.safetensors", model)
    before = (tmp_path / "a.safetensors").read_bytes()
    with pytest.raises(WorkError):
        save_model(tmp_path / "nothere" / "a.safetensors", model)
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(WorkError, match="Is a directory"):
        save_model(tmp_path / "folder.safetensors", model)
    assert (tmp_path / "a.safetensors").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "folder.safetensors"]
