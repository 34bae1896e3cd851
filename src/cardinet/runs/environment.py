"""Versions and hardware: beside the recipe, the bits and the speed of a run depend on them."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from cardinet.base.errors import RequestError
from cardinet.base.version import __version__
from cardinet.runs.ranks import ALONE, Ranks, launched

EXACT = ("cardinet", "torch", "torchvision", "numpy", "pillow")
"""The packages whose versions must not change, or a resumed run may give other bits."""


def versions() -> dict[str, str]:
    """The version of each package that takes part in a run."""
    found = {name: metadata.version(name) for name in EXACT if name != "cardinet"}
    return {"cardinet": __version__, "python": platform.python_version(), **found}


def hardware(device: str) -> dict[str, str]:
    """The processor, the number of cores, the system and, for CUDA, the GPU, as text."""
    about = {"cpu": _cpu_name(), "cores": str(os.cpu_count()), "system": f"{platform.system()} {platform.machine()}"}
    if device.startswith("cuda"):
        about["gpu"] = torch.cuda.get_device_name(device)
    return about


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def has_bfloat16(device: str) -> bool:
    """Whether the hardware multiplies bfloat16 natively, so that autocast is faster."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def device_of(name: str) -> str:
    """The device that a name means; "auto" is the GPU if there is one. Raises RequestError for an unusable name."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if name != "cpu" and not re.fullmatch(r"cuda(:[0-9]{1,4})?", name):
        raise RequestError(f'There is no device "{name}"; use auto, cpu, cuda or cuda:0.')
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise RequestError(f'The device "{name}" is not there: torch sees {torch.cuda.device_count()} GPUs; use cpu.')
    return name


def check_device(device: Any) -> str:
    """The name of a device that a Python caller gives. Raises RequestError if torch cannot put a tensor on it."""
    if device == "auto":
        return device_of("auto")
    try:
        return str(torch.empty(0, device=device if isinstance(device, str | torch.device) else "none").device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without this device
        reason = str(error).splitlines()[0]
        raise RequestError(f"device = {device!r}: it cannot be used ({reason:.80}); give auto, cpu or cuda.") from None


def precision_of(name: str, device: str) -> str:
    """The precision that a name means. Raises RequestError for bfloat16 if the hardware lacks it."""
    if name == "auto":
        return "bfloat16" if has_bfloat16(device) else "float32"
    if name == "bfloat16" and not has_bfloat16(device):
        raise RequestError("This hardware has no bfloat16; use --set precision=float32.")
    return name


def require_one_process(ranks: Ranks = ALONE) -> None:
    """Raise RequestError if a launcher has started several processes that are not connected."""
    if launched() and ranks.alone:
        raise RequestError(
            f"WORLD_SIZE = {os.environ['WORLD_SIZE']}: this work runs in one process, and several would each do all of "
            "it. Start it without torchrun."
        )


def device_on(device: str, ranks: Ranks) -> str:
    """The device of a process: of several on one machine each has a GPU of its own."""
    return device if ranks.alone or device == "cpu" else f"cuda:{ranks.local}"


def keep_freed_memory() -> None:
    """Tell glibc to keep the memory that a training step frees for the next step. Without glibc nothing happens.

    By default glibc returns the memory of the activations to the system after each step, and the system must map and
    clear every page again: 33,000 page faults a step of ResNeXt-29 at batch 64 on a CPU.
    """
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD in malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc
        return
    mallopt(trim_threshold, 2**31 - 1)
    if not mallopt(mmap_threshold, 2**30):
        mallopt(mmap_threshold, 2**25)  # the most that older versions take
