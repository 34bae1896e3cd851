"""The limits of a forked child: what it prints, how it ends, what ends it."""

from __future__ import annotations

import time
from pathlib import Path

from fuzzing.forked import command, in_child


def test_a_command_prints_and_ends_as_it_would(tmp_path: Path) -> None:
    good, wrong = command(["info", "resnet20_cifar"], tmp_path), command(["info", "resnet_of_mine"], tmp_path)
    assert (good.code, good.good, wrong.code, wrong.good) == (0, True, 2, True)
    assert "269,722" in good.out
    assert "resnet_of_mine" in wrong.err


def test_an_error_that_nobody_caught_is_a_traceback(tmp_path: Path) -> None:
    ended = in_child(lambda: 1 // 0, tmp_path)
    assert (ended.code, ended.traceback, ended.good) == (1, True, False)
    assert "ZeroDivisionError" in ended.err


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    ended = in_child(lambda: time.sleep(60), tmp_path, seconds=0.3)
    assert (ended.hung, ended.good) == (True, False)
    assert ended.seconds < 5


def test_a_child_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    def take() -> None:
        blocks = [bytearray(b"x" * 2**20) for _ in range(4000)]
        time.sleep(60 + len(blocks))

    ended = in_child(take, tmp_path, memory=10**9)
    assert (ended.over_memory, ended.good) == (True, False)
    assert ended.peak > 10**9
