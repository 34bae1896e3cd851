"""A small network of every family as ONNX and OpenVINO files, which give the network's logits in float32.

All networks, and torch.export, go through the same in `proofs/exports.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cardinet.export.graph import graph_of
from cardinet.export.metadata import describe
from cardinet.export.runner import open_exported
from cardinet.networks.registry import NETWORKS, find
from cardinet.runtimes.formats.onnx import translate, write_onnx
from cardinet.runtimes.formats.openvino import from_onnx, write_openvino
from export.exported import model_of, pixels, relative_difference
from networks.test_citizen import SMALL, shortest

pytestmark = pytest.mark.long

ONE_EACH = {find(id).family: id for id in reversed(SMALL)}
"""One small network a family."""

ROUNDING = 1e-5
"""Relative to the largest logit."""


def test_every_family_is_there() -> None:
    assert set(ONE_EACH) == {row.family for row in NETWORKS.values()}
    assert len(ONE_EACH) == 22


@pytest.mark.parametrize("id", ONE_EACH.values(), ids=list(ONE_EACH))
def test_files_give_the_networks_logits(id: str, tmp_path: Path) -> None:
    model = model_of(shortest(id))
    translated, about = translate(graph_of(model, with_preprocessing=False)), describe(model, False)
    kinds = {node.op_type for node in translated.graph.node}
    assert not kinds & {"Dropout", "RandomUniform", "RandomUniformLike", "RandomNormalLike", "Bernoulli"}
    onnx, openvino = tmp_path / "a.onnx", tmp_path / "a.xml"
    write_onnx(translated, about, onnx)
    write_openvino(from_onnx(translated), about, openvino)
    for path in (onnx, openvino):
        runner = open_exported(path)
        assert runner.about.classes == model.classes
        assert runner.about.preprocessing == model.preprocessing
        for count in (1, 3, 8):
            x = model.preprocessing.normalise(pixels(model, count))
            assert relative_difference(runner, model.network, x) < ROUNDING
