"""Triton's kernels on the CPU, in Triton's interpreter: only in a process that `ops/test_triton.py` starts for it.

The interpreter has to be chosen before anything imports Triton, so these tests cannot run among others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from cardinet.ops import batch_norm, grouped_conv

if os.environ.get("TRITON_INTERPRET") != "1":
    collect_ignore_glob = ["test_*.py"]


def wide(bits: Any) -> Any:
    """The float32 values of bfloat16, which the interpreter holds as uint16."""
    return (bits.astype("uint32") << 16).view("float32")


@pytest.fixture(scope="session", autouse=True)
def bfloat16_as_on_a_gpu() -> None:
    """Triton's interpreter truncates to bfloat16, and multiplies the integers that hold its bits; a GPU does not."""
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    cast, dot = InterpreterBuilder.cast_impl, InterpreterBuilder.create_dot

    def rounding_cast(self: Any, value: Any, target: Any) -> Any:
        if value.dtype.scalar == tl.float32 and target.scalar == tl.bfloat16:
            rounded = torch.from_numpy(value.data.copy()).bfloat16().view(torch.int16).numpy().view("uint16")
            return TensorHandle(rounded, tl.bfloat16)
        return cast(self, value, target)

    def widening_dot(self: Any, a: Any, b: Any, *others: Any) -> Any:
        if a.dtype.scalar == tl.bfloat16:
            a, b = (TensorHandle(wide(each.data), tl.float32) for each in (a, b))
        return dot(self, a, b, *others)

    InterpreterBuilder.cast_impl, InterpreterBuilder.create_dot = rounding_cast, widening_dot


@pytest.fixture(scope="session", autouse=True)
def gpu_operators_on_the_cpu() -> Iterator[None]:
    """The operators run on tensors of the CPU what they run on those of a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(batch_norm.TAKEN, "cpu", batch_norm.TAKEN["cuda"])
        library = torch.library.Library("cardinet", "IMPL")
        library.impl("batch_norm", batch_norm._cuda, "CPU", allow_override=True)
        library.impl("batch_norm_backward", batch_norm._cuda_backward, "CPU", allow_override=True)
        for name, (_, on_gpu, _) in grouped_conv.OPERATORS.items():
            library.impl(name.removeprefix("cardinet::"), on_gpu, "CPU", allow_override=True)
        yield
