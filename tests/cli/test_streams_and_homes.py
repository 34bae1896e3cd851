"""Streams that are closed or lack letters, users without a home, names that a terminal would obey, Ctrl-C in a row."""

from __future__ import annotations

import ast
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import cardinet.cli
from cardinet.base import cache
from cardinet.base.documents import to_json
from cardinet.base.errors import Notice, WorkError
from cardinet.base.terminal_text import visible
from cardinet.cli.ctrl_c import Stop
from cardinet.cli.main import outcome, run
from cardinet.cli.talk import open_streams
from cli.cli_runner import Cli
from cli.hostile_files import class_folder
from fuzzing.forked import in_child

CARDINET = [sys.executable, "-m", "cardinet"]
ODD = "a\x1b[2J\n0 pictures cannot be used\x9b\u202e.jpg"
SHOWN = "a\\x1b[2J\\x0a0 pictures cannot be used\\x9b\\u202e.jpg"


def test_all_that_leaves_for_a_reader_goes_through_one_place() -> None:
    """`print`, `sys.stdout`, `sys.stderr` and rich's Console stand in talk.py alone; typer prints the help itself."""
    rooms, found = Path(cardinet.cli.__file__).parent, []
    for file in sorted(rooms.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Name) and node.id in ("print", "Console"):
                found.append((file.name, node.id))
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout.write", "sys.stderr.write"):
                found.append((file.name, node.attr))
    assert [place for place in found if place[0] != "talk.py"] == [("verbs.py", "print")]
    assert len(found) >= 4


def test_control_characters_are_shown(cli: Cli, tmp_path: Path) -> None:
    class_folder(tmp_path / "set", count=2)
    (tmp_path / "set" / "red" / ODD).touch()
    said = cli("check-data", tmp_path / "set")
    assert (said.code, said.out.splitlines()) == (1, [f"{tmp_path}/set/red/{SHOWN}: empty: the file is empty."])
    assert visible(ODD) == SHOWN
    (finding,) = json.loads(cli("check-data", tmp_path / "set", "--json").out)["findings"]
    assert ODD in "".join(map(str, finding.values()))
    assert f"error: There is no run folder {SHOWN}." in cli("report", ODD).err


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_json_in_every_encoding(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folder(tmp_path / "set", ("Gänse", "пион"), count=2)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    open_streams()
    assert outcome(["check-data", "set", "--json"]) == 0
    assert json.loads(written.getvalue().decode(encoding))["classes"] == ["Gänse", "пион"]
    assert (b"\\u043f" in written.getvalue()) == (encoding != "utf-8")


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_closed_streams_do_not_stop_the_work(closed: tuple[int, ...], digits_run: Path, tmp_path: Path) -> None:
    """Nor do they take the place of a file that is written. A child has them as Python starts without them."""

    def work() -> None:
        for number in closed:
            os.close(number)
            setattr(sys, ("stdin", "stdout", "stderr")[number], None)
        sys.argv = ["cardinet", "report", str(digits_run), "--out", "new.html"]
        run()

    done = in_child(work, tmp_path)
    assert (done.code, done.err) == (0, "")
    page = (tmp_path / "new.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert done.out == ("new.html\n" if closed == (2,) else "")


def test_python_starts_without_streams(tmp_path: Path) -> None:
    class_folder(tmp_path / "set", count=2)
    words = shlex.join([*CARDINET, "check-data", "set", "--workers", "0"])
    done = subprocess.run(f"{words} <&- >&- 2>&-", shell=True, cwd=tmp_path, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    own = tmp_path / f"cardinet-{os.getuid()}"
    with pytest.warns(Notice, match="There is no home folder for a cache; .* is used"):
        assert cache.cache_folder("check") == own / "check"
    assert own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)
    with pytest.raises(WorkError, match="set XDG_CACHE_HOME"):
        cache.cache_folder("check")


def test_a_notice_is_said_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Cli) -> None:
    class_folder(tmp_path / "set", count=2)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    said = [cli("check-data", tmp_path / "set") for _ in range(2)]
    assert [one.code for one in said] == [0, 0]
    assert [one.err.count("note: ") for one in said] == [1, 0]


def test_the_first_control_c_ends_the_work_and_the_next_do_not_disturb_it() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        with Stop() as stop:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            for _ in range(4):
                signal.raise_signal(signal.SIGINT)
            assert stop.asked
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("wait", [0.15, 1.0])
def test_five_in_a_row_are_one_line(wait: float, digits_run: Path, tmp_path: Path) -> None:
    """In an import, and in the work or its end."""
    running = subprocess.Popen(
        [*CARDINET, "eval", str(digits_run), "--passes", "1"], cwd=tmp_path, stdout=-1, stderr=-1, text=True
    )
    end = time.monotonic() + 20  # until Ctrl-C is heard
    while not heard(running.pid) and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(wait)
    for _ in range(5):
        running.send_signal(signal.SIGINT)
        time.sleep(0.01)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, "error: Stopped.\n")


def heard(pid: int) -> bool:
    """Whether a process catches SIGINT, and has come to import the verbs."""
    caught = Path(f"/proc/{pid}/status").read_text().partition("SigCgt:")[2].split()[0]
    return bool(int(caught, 16) & 2) and "pydantic" in Path(f"/proc/{pid}/maps").read_text()


def test_a_number_that_is_none_is_null() -> None:
    assert json.loads(to_json({"a": [float("nan"), 1.5]})) == {"a": [None, 1.5]}
