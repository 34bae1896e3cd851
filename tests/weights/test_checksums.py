"""The checksums of a file: no changed bit is taken for what was written, and files of before are read, and said so."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

import cardinet
from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.parts.stem import Stem
from cardinet.networks.residual import Residual
from cardinet.runs.checkpoint import load_checkpoint, save_checkpoint
from cardinet.runs.model_file import Model, load_model, save_model
from cardinet.weights.checksums import KEY, with_checksums
from cardinet.weights.read_file import read_file, read_tensors

SPEC = Residual(depths=(1,), widths=(4,), stem=Stem(layout="cifar", width=4), num_classes=2)
INPUT = Preprocessing(channels=3, crop=8, mean=(0.5,) * 3, std=(0.5,) * 3)


def make_model(path: Path) -> None:
    torch.manual_seed(0)
    save_model(path, Model(build(SPEC).eval(), SPEC, ("é", "日本"), INPUT, training={"loss": float("nan"), "step": 3}))


def make_checkpoint(path: Path) -> None:
    save_checkpoint(path, {"model.a": torch.ones(2, 3), "random.cpu": torch.get_rng_state()}, {"step": 3, "best": None})


def make_weights(path: Path) -> None:
    cardinet.save_weights(build(SPEC), path)


Make: TypeAlias = Callable[[Path], None]
Read: TypeAlias = Callable[[Path], object]
KINDS: dict[str, tuple[Make, Read]] = {
    "model": (make_model, load_model),
    "model as weights": (make_model, read_file),
    "checkpoint": (make_checkpoint, load_checkpoint),
    "weights": (make_weights, read_file),
}


def parts(data: bytes) -> dict[str, range]:
    """The bits of a file by its parts: all of the length, and the others."""
    start = 8 + int.from_bytes(data[:8], "little")
    return {"length": range(64), "header": range(64, 8 * start), "tensors": range(8 * start, 8 * len(data))}


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_is_accepted(kind: str, tmp_path: Path) -> None:
    """Every bit of the length, and some of the header and of the tensors."""
    make, read = KINDS[kind]
    file = tmp_path / "a.safetensors"
    make(file)
    read(file)
    data, draw = file.read_bytes(), random.Random(kind)
    for bits in parts(data).values():
        for bit in draw.sample(bits, min(len(bits), 64)):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            file.write_bytes(changed)
            with pytest.raises(CardinetError) as error:
                read(file)
            assert str(file) in str(error.value)
            assert len(error.value.findings) == 1


def test_what_is_on_disk_and_that_it_repeats(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_model(tmp_path / f"{name}.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        metadata, names = file.metadata(), set(file.keys())
    assert set(metadata) == {"cardinet", KEY}  # versions of before read the first alone
    sums = json.loads(metadata[KEY])
    assert sums["algorithm"] == "sha256"
    assert set(sums["tensors"]) == names
    start = parts((tmp_path / "a.safetensors").read_bytes())["tensors"].start // 8
    assert start % 8 == 0


def test_a_digest_is_of_the_name_the_type_and_the_shape_too() -> None:
    """By hand, as the format is for ever."""
    import hashlib

    from cardinet.weights.checksums import _tensor_digest

    tensor = torch.arange(6, dtype=torch.int16).view(2, 3)
    by_hand = hashlib.sha256(b'["a", "torch.int16", [2, 3]]' + tensor.numpy().tobytes()).hexdigest()
    assert _tensor_digest("a", tensor) == by_hand
    others = (tensor.view(3, 2), tensor.view(torch.uint8), tensor.clone().fill_(1), tensor.view(torch.bfloat16))
    assert len({by_hand, _tensor_digest("b", tensor), *(_tensor_digest("a", other) for other in others)}) == 6


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 0)])
def test_tensors_of_every_type_and_without_values(shape: tuple[int, ...], tmp_path: Path) -> None:
    types = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool)
    tensors = {str(kind): torch.ones(shape, dtype=kind) for kind in types}
    (tmp_path / "a").write_bytes(b"".join(with_checksums(tensors, {})))
    assert read_tensors(tmp_path / "a").keys() == tensors.keys()


def without(path: Path, **changes: str) -> None:
    """The file as a version of before wrote it, with other entries of metadata."""
    with safe_open(path, "pt") as file:
        metadata = {name: text for name, text in file.metadata().items() if name != KEY} | changes
    path.write_bytes(safetensors.torch.save(safetensors.torch.load_file(path), metadata))


def test_a_file_of_before_is_read_and_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    make_model(file)
    assert load_model(file).checksums == "match"
    assert read_file(file).notes == ()
    without(file)
    assert load_model(file).checksums == "absent"
    assert read_file(file).notes == (
        f"{file} has no checksums (earlier versions wrote none), so changes in its weights cannot be noticed.",
    )
    make_checkpoint(file)
    without(file)
    assert load_checkpoint(file)[1]["step"] == 3


def test_entries_of_other_programs_stay_welcome(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    make_weights(file)
    without(file, author="somebody", cardinet_other="of later")
    assert read_file(file).spec == SPEC
    without(file, cardinet_checkrums="{}")
    with pytest.raises(WorkError, match='its checksums stand under "cardinet_checkrums"'):
        read_file(file)


def test_damage_can_be_loaded_when_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    make_model(file)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(WorkError, match=r"a\.safetensors is damaged: the values of \S+ are not what was written"):
        cardinet.load(file)
    assert cardinet.load(file, compare=False).checksums == "not compared"
    file.write_bytes(data[:-1])
    for refused, compare in ((file, False), (tmp_path / "nothere", True)):
        with pytest.raises((WorkError, RequestError)):
            load_model(refused, compare=compare)
