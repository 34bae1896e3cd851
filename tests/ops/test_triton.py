"""Triton's kernels without a GPU: their values in Triton's interpreter, and that they compile for GPUs."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cardinet.ops.triton_launch import has_triton

pytestmark = pytest.mark.skipif(not has_triton(), reason="Triton is not installed")

INTERPRETED = Path(__file__).parent / "interpreted"


def interpret(marked: str) -> None:
    """Run the tests of the folder in a process of their own, whose Triton interprets its kernels."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "-m", marked]
    done = subprocess.run(
        [*command, str(INTERPRETED)],
        env=variables | {"TRITON_INTERPRET": "1"},
        cwd=INTERPRETED.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


NUMBER, FLOATS, MAP = "i32", "*fp32", "*bf16"

TYPES = {
    **dict.fromkeys(("rows", "channels", "area", "words", "step", "pieces"), NUMBER),
    **dict.fromkeys(("places", "batch", "height", "width", "out_height", "out_width", "sk", "sc", "sh", "sw"), NUMBER),
    **dict.fromkeys(("bias", "mean", "variance", "rstd", "partial", "parts", "dweight", "dbias"), FLOATS),
    **dict.fromkeys(("x", "other", "y", "dy", "dother", "g", "dx"), MAP),
    "bits": "*i16",
    "eps": "fp32",
}
"""The types of the arguments of kernels by their names; that of a weight depends on the module."""

NORM: dict[str, object] = {"LAST": True, "RELU": True, "ROWS": 16, "COLUMNS": 128}
PLANES: dict[str, object] = {"LAST": False, "RELU": True, "ROWS": 128, "COLUMNS": 16}
WITHOUT_SUM: dict[str, object] = {"other": None, "bits": None, "dother": None, "weight": None}

CONVOLUTION: dict[str, object] = {"STRIDE": 1, "WIDTH": 4, "TILE": 16, "PIXELS": 64, "PRECISION": "ieee"}
HALVING: dict[str, object] = {"STRIDE": 2, "WIDTH": 32, "TILE": 32, "PIXELS": 64, "PRECISION": "ieee"}

KERNELS: list[tuple[str, str, dict[str, object]]] = [
    *(
        ("triton_batch_norm", name, form)
        for form in (NORM, PLANES, NORM | WITHOUT_SUM)
        for name in ("_moments", "_statistics", "_apply", "_gradient_sums", "_vector_gradients", "_input_gradient")
    ),
    *(
        ("triton_grouped_conv", name, form)
        for form in (CONVOLUTION, HALVING)
        for name in ("_forward", "_input_gradient", "_weight_gradient")
    ),
]
"""Their modules, their names, and what is constant when they are compiled."""


@pytest.mark.long
@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_compile(capability: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU is not needed to compile for it. The compiler is stricter than the interpreter."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    assert len(KERNELS) == 24
    for module, name, constants in KERNELS:
        kernel = getattr(importlib.import_module(f"cardinet.ops.{module}"), name)
        constant = {each: constants[each] for each in kernel.arg_names if each in constants}
        known = TYPES | {"weight": MAP if module == "triton_grouped_conv" else FLOATS}
        types = {each: "constexpr" if each in constant else known[each] for each in kernel.arg_names}
        made = triton.compile(ASTSource(kernel, types, constant), target=GPUTarget("cuda", capability, 32))
        assert made.asm["cubin"], name


def test_values_in_the_interpreter() -> None:
    interpret("not long")


@pytest.mark.long
def test_values_in_the_interpreter_at_length() -> None:
    interpret("long")
