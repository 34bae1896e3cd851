"""The instruction sets for which kernels are compiled, and which of them this processor has."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class InstructionSet:
    """A way to compile the kernels: what the processor must have (as in /proc/cpuinfo), and options of the compiler."""

    name: str
    needs: frozenset[str]
    options: tuple[str, ...]


AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512dq")

SETS = (
    InstructionSet(
        "avx512_bf16",
        frozenset({*AVX512, "avx512_bf16", "fma"}),
        ("-DWITH_AVX512", "-DWITH_AVX512_BF16", *(f"-m{name}" for name in AVX512), "-mavx512bf16", "-mfma"),
    ),
    InstructionSet(
        "avx512", frozenset({*AVX512, "fma"}), ("-DWITH_AVX512", *(f"-m{name}" for name in AVX512), "-mfma")
    ),
    InstructionSet("avx2", frozenset({"avx2", "fma"}), ("-DWITH_AVX2", "-mavx2", "-mfma")),
    InstructionSet("portable", frozenset(), ()),
)
"""From the fastest to the one that every processor has."""


@functools.cache
def usable() -> dict[str, InstructionSet]:
    """The instruction sets of this processor by name, the fastest first; without /proc/cpuinfo the portable one."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    has = set(line.partition(":")[2].split())
    return {each.name: each for each in SETS if each.needs <= has}
