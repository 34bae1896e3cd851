"""Files of other programs: those that are read, and those that are refused by their names."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import cardinet
from cardinet.base.errors import RequestError
from cardinet.weights.match import match
from cardinet.weights.weight_source import read_weights


def archive(names: list[str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, b"x" * 30)
    return file.getvalue()


def numpy_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(9))
    return file.getvalue()


REFUSED = {
    "a.onnx": (b"\x08\x0a\x12\x07pytorch\x1a\x052.4.0" + bytes(60), "is an ONNX file"),
    "b.onnx": (b"\x08\x08\x3a\xf0\x01" + bytes(60), "is an ONNX file"),
    "a.h5": (b"\x89HDF\r\n\x1a\n" + bytes(60), "is an HDF5 file"),
    "a.tflite": (b"\x20\0\0\0TFL3" + bytes(60), "is a TensorFlow Lite file"),
    "a.t7": (b"\x06\0\0\0\x01\0\0\0" + bytes(60), "is a Torch7 file of a Lua function"),
    "b.t7": (b"\x08\0\0\0\x01\0\0\0" + bytes(60), "is a Torch7 file of a Lua function"),
    "a.keras": (archive(["metadata.json", "config.json", "model.weights.h5"]), "is a Keras file"),
    "a.npz": (archive(["a.npy", "b.npy"]), "is an archive of NumPy arrays"),
    "a.npy": (numpy_array(), "is an array of NumPy"),
    "a.gguf": (b"GGUF" + bytes(60), "is a GGUF file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(tmp_path: Path, name: str) -> None:
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError) as error:
        read_weights(tmp_path / name)
    assert words in str(error.value)
    assert len(REFUSED) == 10


@pytest.mark.parametrize("how", ["list", "tuple", "model_state", "network", "numbers beside"])
def test_read(tmp_path: Path, how: str) -> None:
    network = cardinet.create("resnet20_cifar", pad="end")
    state = network.state_dict()
    numbers = {"best": np.float64(0.5), "seen": np.int64(7), "right": np.bool_(True), "low": np.float32(1.5)}
    saved = {"list": [state], "tuple": (state,), "numbers beside": {"state_dict": state, **numbers}}.get(
        how, {how: state}
    )
    torch.save(saved, tmp_path / "w.pth")
    found = read_weights(tmp_path / "w.pth")
    assert found.tensors.keys() == state.keys()
    assert len(match(network, found, ["pad"]).loaded) == len(state)


def test_a_list_of_several_is_not_guessed(tmp_path: Path) -> None:
    state = cardinet.create("resnet20_cifar").state_dict()
    torch.save([state, state], tmp_path / "w.pth")
    with pytest.raises(RequestError, match="holds no state dict"):
        read_weights(tmp_path / "w.pth")


def test_an_order_that_is_lost_is_told(tmp_path: Path) -> None:
    state = cardinet.create("resnet20_cifar", device="cpu").state_dict()
    odd = {f"p{i}": tensor.contiguous() for i, tensor in enumerate(state.values())}
    safetensors.torch.save_file(odd, tmp_path / "w.safetensors")
    with pytest.raises(RequestError, match="A safetensors file does not keep the order"):
        match(cardinet.create("resnet20_cifar", device="meta"), read_weights(tmp_path / "w.safetensors"), ["pad"])


def test_a_padding_that_the_file_proves_is_not_overruled(tmp_path: Path) -> None:
    cardinet.save_weights(cardinet.create("resnet20_cifar", pad="both"), tmp_path / "w.safetensors")
    with pytest.raises(RequestError, match=r"was trained with shortcut\.pad = .both"):
        match(
            cardinet.create("resnet20_cifar", pad="end", device="meta"),
            read_weights(tmp_path / "w.safetensors"),
            ["pad"],
        )
