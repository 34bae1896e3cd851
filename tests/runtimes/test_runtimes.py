"""Every runtime answers as the network does in float64, for every precision that it has on this machine."""

from __future__ import annotations

import copy

import pytest
import torch

from cardinet.build.builder import build
from cardinet.build.drawn import with_drawn_values
from cardinet.networks.registry import find
from cardinet.runtimes import RUNTIMES
from cardinet.runtimes import runtime as runtime_module
from cardinet.runtimes.runtime import PRECISIONS, Precision, Use

CASES = [(name, precision) for name in RUNTIMES for precision in PRECISIONS]
SLOW = [*(("compile", p) for p in ("float32", "bfloat16")), *(("openvino", p) for p in ("bfloat16", "int8"))]
TOLERANCE = {"float32": 1e-5, "bfloat16": 3e-2, "int8": 0.1}
MISSING = [("onnxruntime", "bfloat16"), *((name, "int8") for name in ("eager", "kernels", "compile"))]


@pytest.mark.parametrize(
    ("name", "precision"), [pytest.param(*case, marks=pytest.mark.long if case in SLOW else ()) for case in CASES]
)
def test_a_runtime_answers_as_the_network_in_float64(name: str, precision: Precision) -> None:
    assert len(CASES) == 15
    runtime = RUNTIMES[name]
    if runtime.hindrance(precision):
        assert (name, precision) in [*MISSING, ("openvino", "bfloat16")]
        return
    torch.manual_seed(0)
    spec = find("resnext29_8x64d").spec.but(depths=(1, 1, 1), widths=(8, 16, 32), cardinality=4, base_width=16)
    pixels = torch.randn(3, 3, 32, 32)
    network = with_drawn_values(build(spec), pixels).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    run = runtime.prepare(network, Use(tuple(pixels.shape), precision, calibration=pixels))
    with torch.no_grad():
        exact = copy.deepcopy(network).double()(pixels.double())
    for _ in range(2):
        logits = run(pixels)
        assert logits.dtype == torch.float32
        assert float((logits - exact).abs().max() / exact.abs().max()) < TOLERANCE[precision]
    kept = run(pixels.flip(0))
    run(pixels)
    assert float((kept.flip(0) - exact).abs().max() / exact.abs().max()) < TOLERANCE[precision]
    assert all(value.equal(before[key]) for key, value in network.state_dict().items())


def test_what_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RUNTIMES["onnxruntime"].hindrance("bfloat16") == "it has no bfloat16"
    assert RUNTIMES["openvino"].hindrance("float32", "cuda") == "it does not run on cuda"
    monkeypatch.setattr(runtime_module, "installed", lambda name: name == "onnx")
    assert RUNTIMES["openvino"].hindrance("float32") == (
        'onnxscript and openvino are not installed: pip install "cardinet[export]"'
    )
    assert RUNTIMES["eager"].hindrance("bfloat16") == ""
