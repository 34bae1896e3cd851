"""Whether there is Triton, and the device on which its kernels are started. It is imported where a kernel is used."""

from __future__ import annotations

import contextlib
import functools
import importlib.util

import torch
from torch import Tensor

LEAST = (8, 0)
"""The least compute capability of a GPU by NVIDIA for which Triton compiles bfloat16."""


@functools.cache
def has_triton() -> bool:
    """Whether Triton is installed. torch for CUDA brings it; there is none for macOS."""
    return importlib.util.find_spec("triton") is not None


def hindrance() -> str | None:
    """Why Triton's kernels cannot run on the current GPU, in words, or None."""
    if not has_triton():
        return "Triton is not installed (pip install triton)"
    if torch.version.cuda is not None and (found := torch.cuda.get_device_capability()) < LEAST:
        needed, have = ("{}.{}".format(*each) for each in (LEAST, found))
        return f"Triton needs a GPU of compute capability {needed} or more, and this one has {have}"
    return None


def on_device_of(x: Tensor) -> contextlib.AbstractContextManager[object]:
    """Triton starts kernels on the current GPU, which may be another one than that of the tensors."""
    return torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext()
