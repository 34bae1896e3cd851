"""What a program gets by `import cardinet`, without starting anything heavy."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cardinet
from cardinet.base import errors
from cardinet.networks.registry import find
from cardinet.runs.model_file import Model

DIGITS = {"channels": 1, "crop": 8, "mean": (0.3,), "std": (0.4,)}


@pytest.fixture(scope="module")
def model() -> Model:
    from cardinet.data.preprocessing import Preprocessing

    torch.manual_seed(0)
    network = cardinet.create("resnext11_8x16d_digits")
    classes = tuple("0123456789")
    return Model(network.eval(), find("resnext11_8x16d_digits").spec, classes, Preprocessing.model_validate(DIGITS))


def test_every_public_name_is_there() -> None:
    assert len(cardinet.__all__) == 18
    assert all(getattr(cardinet, name) for name in cardinet.__all__)
    for name in ("CardinetError", "RequestError", "WorkError"):
        assert getattr(cardinet, name) is getattr(errors, name)
    with pytest.raises(cardinet.RequestError, match="resnet18"):
        cardinet.create("resnet81")


def test_rooms_are_functions_whatever_was_imported_before() -> None:
    code = (
        "import cardinet, sys; first = cardinet.evaluate\n"
        "heavy = [name for name in ('torch', 'numpy', 'pydantic', 'PIL') if name in sys.modules]\n"
        "import cardinet.evaluate.scores, cardinet.export.request\n"
        "from cardinet import evaluate, export\n"
        "print(heavy, first is evaluate, callable(evaluate), callable(export), evaluate.scores.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True True True cardinet.evaluate.scores"


def test_evaluate_save_and_load(model: Model, tmp_path: Path) -> None:
    found = cardinet.evaluate(model, "digits", split="validation", batch_size=50)
    assert (found.split, found.count) == ("validation", 180)
    cardinet.save(model, tmp_path / "a.safetensors")
    again = cardinet.evaluate(cardinet.load(tmp_path / "a.safetensors"), "digits", split="validation", batch_size=50)
    assert np.array_equal(again.confusion, found.confusion)
    assert np.array_equal(again.top_probabilities, found.top_probabilities)
    with pytest.raises(cardinet.RequestError) as error:
        cardinet.evaluate(model, "digits", split="tset", passes=3)
    assert len(error.value.findings) == 2


def test_a_path_is_the_model_in_it(model: Model, tmp_path: Path) -> None:
    cardinet.save(model, tmp_path / "model.safetensors")
    expected = cardinet.evaluate(model, "digits", split="validation").confusion
    for path in (tmp_path, str(tmp_path / "model.safetensors")):
        assert np.array_equal(cardinet.evaluate(path, "digits", split="validation").confusion, expected)
    for wrong, message in (("nothere/", "There is no file nothere"), (model.network, "Classifier is not a model")):
        with pytest.raises(cardinet.CardinetError, match=message):
            cardinet.evaluate(wrong, "digits")  # type: ignore[arg-type]
        with pytest.raises(cardinet.CardinetError, match=message):
            cardinet.export(wrong, tmp_path / "a.onnx")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["g8.png", "saved.pth", "saved", "."])
def test_a_model_is_saved_under_the_name_of_a_model_only(name: str, model: Model, tmp_path: Path) -> None:
    (tmp_path / "g8.png").write_bytes(b"a picture")
    with pytest.raises(cardinet.RequestError, match=r"end its name with \.safetensors"):
        cardinet.save(model, tmp_path / name if name != "." else ".")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("g8.png", b"a picture")]
    with pytest.raises(cardinet.RequestError, match=r"str is not a model; give what cardinet\.load"):
        cardinet.save("r1", tmp_path / "a.safetensors")  # type: ignore[arg-type]


def test_numbers_of_an_evaluation_that_are_refused(model: Model) -> None:
    with pytest.raises(cardinet.RequestError) as error:
        cardinet.evaluate(model, "digits", batch_size=0, passes=-1, crops=5, workers=-1)  # type: ignore[arg-type]
    assert error.value.findings == (
        "batch_size = 0: give a whole number from 1 on.",
        "passes = -1: give a whole number from 1 to 10,000.",
        "workers = -1: give a whole number from 0 to 256.",
        'crops = 5: give 1, 10 or "dense".',
    )


NO_NUMBERS = (-1, 0.5, "2", True, [1])
"""What is not a whole number that any of them can be; 0 workers are a number of workers."""


def test_every_number_is_checked(model: Model, tmp_path: Path) -> None:
    pixels, out = np.zeros((8, 8), np.uint8), tmp_path / "a.onnx"
    takers: dict[str, Callable[[Any], Any]] = {
        "workers": lambda n: cardinet.evaluate(model, "digits", workers=n),
        "batch_size": lambda n: cardinet.evaluate(model, "digits", batch_size=n),
        "passes": lambda n: cardinet.evaluate(model, "digits", passes=n),
        "crops": lambda n: cardinet.evaluate(model, "digits", crops=n),
        "top": lambda n: model.predict(pixels, top=n),
        "batch_size ": lambda n: model.predict(pixels, batch_size=n),
        "pictures": lambda n: cardinet.export(model, out, pictures=n),
        "threads": lambda n: cardinet.export(model, out, threads=n),
        "workers ": lambda n: cardinet.export(model, out, workers=n),
        "opset": lambda n: cardinet.export(model, out, opset=n),
        "input_size": lambda n: cardinet.count("resnet18", n),
    }
    refused = 0
    for name, take in takers.items():
        for number in NO_NUMBERS:
            with pytest.raises(cardinet.RequestError, match=re.escape(f"{name.strip()} = {number!r}: give ")):
                take(number)
            refused += 1
    for name, number in (("workers", 257), ("passes", 10_001), ("threads", 1025), ("input_size", 0)):
        with pytest.raises(cardinet.RequestError, match=f"{name} = {number}: give a whole number from "):
            takers[name](number)
    assert refused == 55
    assert not out.exists()


def test_what_is_of_another_kind_is_refused_in_words(model: Model, tmp_path: Path) -> None:
    network: Any = model.network
    wrong: Any = model
    calls: list[tuple[str, Callable[[], Any]]] = [
        ("set has no order for the answers", lambda: model.predict(set())),
        ("dict_keys has no order for the answers", lambda: model.predict({"a.png": 1}.keys())),
        ("dict is not a picture", lambda: model.predict({})),
        (r'no split "\[\]"', lambda: cardinet.evaluate(model, "digits", split=[])),  # type: ignore[arg-type]
        (r'no format "\[\]"', lambda: cardinet.export(model, tmp_path / "a.onnx", format=[])),
        ("3 is not a file path", lambda: cardinet.export(model, 3)),  # type: ignore[arg-type]
        ("None is not a file path", lambda: cardinet.save(model, None)),  # type: ignore[arg-type]
        ("None is not a file path", lambda: cardinet.save_weights(network, None)),  # type: ignore[arg-type]
        (r'names = "3" is unknown', lambda: cardinet.save_weights(network, "a.pth", 3)),  # type: ignore[arg-type]
        ("Model is not a network of Cardinet", lambda: cardinet.save_weights(wrong, "a.pth")),
        ("device = 'moon': it cannot be used", lambda: cardinet.create("resnet18", device="moon")),
        ("device = 3: it cannot be used", lambda: cardinet.load(tmp_path, 3)),  # type: ignore[arg-type]
        ('no initialisation "3"', lambda: cardinet.create("resnet18", init=3)),  # type: ignore[call-overload]
        ("out_indices = 3: there are", lambda: cardinet.create("resnet18", features_only=True, out_indices=3)),  # type: ignore[call-overload]
        (r"out_indices = \['a'\]", lambda: cardinet.create("resnet18", features_only=True, out_indices=["a"])),  # type: ignore[call-overload]
    ]
    for message, call in calls:
        with pytest.raises(cardinet.RequestError, match=message):
            call()
    assert not any(tmp_path.iterdir())
    cardinet.save(model, tmp_path / "m.safetensors")
    for given in (3, [3], None):
        with pytest.raises(cardinet.RequestError, match="give a list of setting names"):
            cardinet.load_weights(network, tmp_path / "m.safetensors", given=given)  # type: ignore[arg-type]
    with pytest.raises(cardinet.RequestError, match="Model is not a network of Cardinet"):
        cardinet.load_weights(wrong, tmp_path / "m.safetensors")


FLAGS = re.compile(r"--[a-z]")


def test_messages_name_what_the_function_takes(model: Model, tmp_path: Path) -> None:
    with pytest.raises(cardinet.RequestError) as error:
        cardinet.export(model, tmp_path / "a.pt2", int8=True, opset=3, pictures=0, data="digits")
    assert "int8 is for the formats" in str(error.value)
    assert "opset = 3: only the format onnx has an opset" in str(error.value)
    assert not FLAGS.search(str(error.value))
    with pytest.raises(cardinet.RequestError, match="passes = 3: this network has no random layers") as error:
        cardinet.evaluate(model, "digits", passes=3)
    assert not FLAGS.search(str(error.value))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_pictures_have_the_precision_of_the_network(dtype: torch.dtype, model: Model) -> None:
    other = replace(model, network=copy.deepcopy(model.network).to(dtype))
    pixels = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8)
    expected = model.predict(pixels).probabilities
    rounding = 1e-5 if dtype is torch.float64 else 0.05
    assert other.predict(pixels).probabilities == pytest.approx(expected, abs=rounding)
    found = cardinet.evaluate(other, "digits", split="validation")
    assert found.loss == pytest.approx(cardinet.evaluate(model, "digits", split="validation").loss, abs=rounding)


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("a.tflite", {}, r"the suffix gives the format of the file; use one of \.onnx, \.pt2, \.xml"),
        ("a.onnx", {"opsett": 18}, 'has no option "opsett"; it has format, int8, opset'),
        ("no/a.onnx", {}, "its folder does not exist"),
    ],
)
def test_exports_that_are_refused(name: str, more: dict[str, Any], message: str, model: Model, tmp_path: Path) -> None:
    with pytest.raises(cardinet.RequestError, match=message):
        cardinet.export(model, tmp_path / name, **more)


def test_export(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.export.job.SECONDS", 0.0)
    made = cardinet.export(model, tmp_path / "a.onnx", data="digits", pictures=20, threads=1)
    assert (made.request.format, made.split, made.parity["float32"].count) == ("onnx", "test", 20)
    assert (tmp_path / "a.onnx").exists()
