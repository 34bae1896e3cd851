"""The kernels are compiled once, by several processes at once too, and their absence is one notice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cardinet.base.errors import Notice
from cardinet.ops import compiled
from cardinet.ops.batch_norm import batch_norm
from cardinet.ops.compiled import kernels, library


@pytest.fixture(autouse=True)
def forgotten() -> None:
    kernels.cache_clear()
    library.cache_clear()


def without_kernels(said: str) -> None:
    """The operator works, and says once why it does so without kernels."""
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    with pytest.warns(Notice, match=said) as notices:
        first, second = (batch_norm(x, None, None, 1e-5, relu=True)[0] for _ in range(2))
    assert len(notices) == 1
    assert torch.equal(first, second)
    torch.testing.assert_close(first, torch.nn.functional.batch_norm(x, None, None, training=True).relu())
    kernels.cache_clear()


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    without_kernels("there is no C")


def test_a_compiler_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, text in {"fails": "echo 'k.cpp:1: error: too old' >&2; exit 1", "lies": "exit 0"}.items():
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit 0\n{text}\n')
        script.chmod(0o755)
        monkeypatch.setenv("CXX", str(script))
        without_kernels("error: too old" if name == "fails" else "cannot be kept")
        assert not list(tmp_path.glob("cardinet/kernels/*.so"))
        assert not list(tmp_path.glob("cardinet/kernels/.*"))


def test_a_damaged_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(b"no library")
    monkeypatch.setattr(compiled, "_file", lambda instructions: damaged)
    without_kernels("cannot be loaded")


@pytest.mark.long
def test_processes_that_compile_at_once(tmp_path: Path) -> None:
    script = (
        "from cardinet.ops.compiled import library; import torch; torch.set_num_threads(2); library('portable')\n"
        "import os; maps = open(f'/proc/{os.getpid()}/maps').read().split()\n"
        "print(len({name for name in maps if 'omp.so' in name or 'omp-' in name}))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    both = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [each.communicate(timeout=600)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert said == ["1\n", "1\n"]  # one OpenMP library in each process
    assert len(list(tmp_path.glob("cardinet/kernels/*"))) == 1
