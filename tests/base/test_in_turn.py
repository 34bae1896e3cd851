"""Work beside the main thread."""

from __future__ import annotations

import threading
import time

import pytest

from cardinet.base.in_turn import InTurn


def test_pieces_are_done_in_order_beside_the_main_thread() -> None:
    done: list[int] = []
    go = threading.Event()
    work = InTurn()
    work.give(lambda: done.append(int(go.wait(60))))
    work.give(lambda: done.append(2))
    assert work.busy
    assert done == []
    go.set()
    work.wait()
    assert done == [1, 2]
    assert not work.busy
    work.give(lambda: done.append(threading.get_ident()))
    work.wait()
    assert done[2] != threading.get_ident()


@pytest.mark.parametrize("ask", ["check", "give", "wait"])
def test_a_piece_that_fails_drops_the_others_and_is_said_once(ask: str) -> None:
    done: list[int] = []
    go = threading.Event()
    work = InTurn()

    def fail() -> None:
        go.wait(60)
        raise ValueError("no")

    work.give(fail)
    work.give(lambda: done.append(1))
    go.set()
    while work.busy:
        time.sleep(0.001)
    with pytest.raises(ValueError, match="no"):
        {"check": work.check, "give": lambda: work.give(fail), "wait": work.wait}[ask]()
    work.check()
    work.give(lambda: done.append(2))
    work.wait()
    assert done == [2]


def test_the_end_waits_and_raises_nothing() -> None:
    done: list[int] = []
    go = threading.Event()
    work = InTurn()

    def fail() -> None:
        go.wait(60)
        done.append(1)
        raise ValueError("no")

    work.give(fail)
    go.set()
    work.end()
    assert done == [1]
    work.check()
