"""A request for rewrites from Python: everything that is wrong with it is said at once, and its steps come in order."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cardinet.base.errors import Findings, RequestError
from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.registry import find
from cardinet.rewriting.kinds import KINDS
from cardinet.rewriting.request import Request, Training, read, resolve, steps_of
from cardinet.runs.model_file import Model


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    spec = find("resnext11_8x16d_digits").spec
    preprocessing = Preprocessing(channels=1, crop=8, mean=(0.3,), std=(0.4,))
    return Model(build(spec).eval(), spec, tuple("0123456789"), preprocessing)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    wrong = {"flod": True, "pack": 0, "form": "d", "fold": 1, "in_channels": "3", "widen": "cardinality=9"}
    request = Request(
        model="nothere", out=tmp_path / "a.pth", rewrites=wrong, seed=-1, data="nodata", training=Training(0.5)
    )
    with pytest.raises(RequestError) as error:
        resolve(request)
    said = "\n".join(error.value.findings)
    for part in (
        "a.pth cannot be the model file",
        'There is no rewrite "flod" (nearest: fold',
        "pack = 0: give a whole number from 1 on",
        "form = 'd': give one of a, b, c",
        "fold = 1: give True, or leave it out",
        "--in-channels 3: pictures have",
        "widen = 'cardinality=9': give a list of texts",
        "seed = -1: give a whole number from 0 on",
        "--keep-macs, --epochs and --set need --prune",
        '"nothere" is not there',
        'The source "nodata"',
    ):
        assert part in said
    assert len(error.value.findings) == 11
    assert list(tmp_path.iterdir()) == []


def test_steps_come_in_the_order_of_the_table(model: Model) -> None:
    given = {"unpack": True, "fold": True, "widen": ["cardinality=9"], "classes": "3,eel", "strip": True, "pack": 4}
    found = Findings()
    steps = steps_of(read(given, found), model, seed=5)
    assert not found
    assert [step.name for step in steps] == [name for name in KINDS if name in given]
    assert [dict(step.arguments) for step in steps] == [
        {},
        {"rows": [3, -1], "seed": 5},
        {"cardinality": 9, "seed": 5},
        {},
        {"width": 4},
        {},
    ]
