"""The line of progress: on a terminal written over and never wider than it, elsewhere a plain line now and then."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from cardinet.base.side_work import counted
from cardinet.cli import progress
from cardinet.cli.main import outcome
from cardinet.cli.progress import Bar, Line, Screen, bar, screen
from cardinet.cli.talk import duration, in_short, thousands
from cardinet.data import arrow
from cardinet.train.listener import Tick
from data.tar_shards import served, write_shards
from data.test_parquet_sources import write


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def show_steps(screen: Screen, clock: Clock, count: int, seconds: float) -> None:
    for step in range(1, count + 1):
        clock.now += seconds
        screen.stepped(Tick(step, 1000, step / 10, 1.25, 12345.6, 3723))


@pytest.mark.parametrize(("columns", "width_of_bar"), [(40, 0), (80, 0), (100, 19), (200, 24)])
def test_a_terminal(columns: int, width_of_bar: int, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))
    screen = Screen()
    show_steps(screen, clock, count=1000, seconds=0.5)
    screen.logged(
        {"kind": "evaluation", "epoch": 1, "split": "test", "error": 0.25, "loss": 1, "count": 8, "best": True}
    )
    lines = terminal.getvalue().split("\r\x1b[2K")
    assert len(lines) == 1 + 1000 + 1
    assert max(map(len, lines[1:-1])) < columns
    assert lines[-2].count("█") == width_of_bar
    assert lines[-1] == "epoch    1.0  test error  25.00 %  loss 1.0000  (8 pictures)  best\n"


def test_a_terminal_is_not_written_to_faster_than_one_can_read(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    show_steps(Screen(), clock, count=1000, seconds=0.001)
    assert 5 <= terminal.getvalue().count("\r") <= 11


def test_a_notebook(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stderr", notebook)
    monkeypatch.setenv("COLUMNS", "80")
    show_steps(screen := Screen(), clock, count=3, seconds=0.5)
    screen.close()
    written = notebook.getvalue()
    assert "\x1b" not in written
    assert written.count("\r" + " " * 79 + "\r") == 4
    assert written.endswith("\r")
    assert "step 3/1,000" in written


def test_no_terminal(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", written := io.StringIO())
    screen = Screen()
    show_steps(screen, clock, count=9, seconds=0.5)
    assert written.getvalue() == ""
    show_steps(screen, clock, count=20, seconds=0.5)
    assert written.getvalue().splitlines() == [
        "  0 %  step 1/1,000  epoch 0.1  loss 1.250  12,346 img/s  1 h 2 min left",
        "  1 %  step 11/1,000  epoch 1.1  loss 1.250  12,346 img/s  1 h 2 min left",
    ]
    assert "\x1b" not in written.getvalue()


def test_a_short_side_task_says_nothing_and_a_bar_is_removed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", written := io.StringIO())
    with Bar("checking pictures") as short:
        short(128, 128)
    assert written.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with Bar("checking pictures") as long:
        clock.now += 1
        long(64, 128)
    assert terminal.getvalue() == f"\r\x1b[2K{'█' * 12:<24}  checking pictures 64/128\r\x1b[2K"


def test_a_line_is_cleared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    line = Line()
    line.clear()
    line.show("here", 1, 2)
    line.clear()
    line.clear()
    assert terminal.getvalue().count("\x1b[2K") == 2


def test_bars() -> None:
    assert [bar(i, 16, 2) for i in range(0, 17, 4)] == ["  ", "▌ ", "█ ", "█▌", "██"]
    assert bar(0, 0, 3) == "   "
    assert bar(9, 3, 3) == "███"


@pytest.mark.parametrize(("encoding", "sign"), [("ascii", "#"), ("latin-1", "#"), ("utf-8", "█"), ("cp437", "#")])
def test_a_bar_in_the_letters_of_the_terminal(encoding: str, sign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding, errors="backslashreplace")
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    Line().show("here", 1, 2)
    shown = terminal.buffer.getvalue().decode(encoding)
    assert shown == f"\r\x1b[2K{sign * 12:<24}  here"


def test_numbers_in_words() -> None:
    assert [duration(s) for s in (0.2, 59.4, 60, 3599, 3600, 7800)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 0 min",
        "2 h 10 min",
    ]
    assert [in_short(n) for n in (999, 1000, 4_230_479_872, 25_028_904)] == ["999", "1 k", "4.23 G", "25.03 M"]
    assert thousands(25_028_904) == "25,028,904"


KINDS = {"files": "reading shards", "server": "looking at shards", "parquet": "converting shards"}


@pytest.mark.parametrize("kind", KINDS)
def test_shards_that_are_read_for_the_first_time_are_counted(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index of shards, and their conversion, are made where nothing else shows that the program works."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(progress, "LIVE_SECONDS", 0.0)
    data, shown = tmp_path / "data", Terminal()
    with served(data) as server:
        if kind == "parquet":
            monkeypatch.setattr(arrow, "IN_MEMORY", 0)
            for number in range(3):
                write(data / f"train-{number}.parquet", [0, 1] * 3)
            text = f"parquet:{data}"
        else:
            write_shards(data, shards=3)
            text = f"webdataset:{data if kind == 'files' else server.address + '/train-{000..002}.tar'}"
        monkeypatch.setattr(sys, "stderr", shown)
        assert outcome(["check-data", text]) == 0
        assert [f"{KINDS[kind]} {done}/3" in shown.getvalue() for done in range(3)] == [True, True, True]
        drawn = shown.getvalue()
        assert drawn.rindex("\r\x1b[2K") > drawn.rindex(KINDS[kind])  # the line is removed
        assert ("reading shards 2/3" in drawn) is (kind != "parquet")
        if kind != "server":  # what a server has is asked for each time
            monkeypatch.setattr(sys, "stderr", again := Terminal())
            assert outcome(["check-data", text]) == 0
            assert ("reading shards" in again.getvalue()) is False
    assert "shards" not in capsys.readouterr().out.replace("the train samples: shards: 3 shards", "")


def test_side_work_is_shown_on_the_screen_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    with screen(True):
        assert list(counted("reading shards", "ab", 2)) == ["a", "b"]
    assert "reading shards 0/2" in shown.getvalue()
    with screen(False):
        list(counted("converting", "ab", 2))
    assert "converting" not in shown.getvalue()
