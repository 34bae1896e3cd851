"""What only a process of its own shows: imports, pipes, signals, locks, terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cardinet
from cli.cli_runner import process
from cli.hostile_files import class_folder, picture

CARDINET = [sys.executable, "-m", "cardinet"]
HEAVY = ("torch", "torchvision", "numpy", "pydantic", "PIL", "sklearn", "pyarrow", "safetensors", "typer", "rich")


@pytest.mark.parametrize(
    ("code", "free_of"),
    [
        ("import cardinet", HEAVY),
        ("from cardinet.cli.main import outcome; outcome(['--help'])", ("torch", "sklearn", "PIL", "pyarrow")),
        ("from cardinet.cli.main import outcome; outcome(['train', '--help'])", ("torch", "sklearn", "PIL", "pyarrow")),
        (
            "from cardinet.cli.main import outcome; outcome(['rewrite', '--help'])",
            ("torch", "sklearn", "PIL", "pyarrow"),
        ),
        ("import cardinet.cli.verbs", ("torch", "sklearn", "PIL", "pyarrow", "pydantic")),
        ("from cardinet.cli.main import outcome; outcome(['list'])", ("torch", "sklearn", "PIL", "pyarrow")),
        ("from cardinet.cli.main import outcome; outcome(['settings'])", ("torch", "sklearn", "PIL", "pyarrow")),
        ("from cardinet.cli.main import outcome; outcome(['--version'])", ("torch", "sklearn", "PIL", "pyarrow")),
    ],
)
def test_what_is_not_imported(code: str, free_of: tuple[str, ...], tmp_path: Path) -> None:
    script = f"{code}\nimport sys\nsys.stderr.write(' '.join(m for m in {free_of!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.rsplit("\n", 1)[-1] == ""


def test_alone_it_prints_its_help(tmp_path: Path) -> None:
    said = process(cwd=tmp_path)
    assert said.code == 2
    assert said.err == ""
    assert "Usage: cardinet" in said.out
    for verb in ("list", "info", "plan", "check-data", "train", "eval", "predict", "rewrite", "report"):
        assert verb in said.out


def test_version(tmp_path: Path) -> None:
    said = process("--version", cwd=tmp_path)
    assert (said.code, said.out, said.err) == (0, f"{cardinet.__version__}\n", "")


def test_a_reader_that_leaves_ends_it_in_silence(digits_run: Path, tmp_path: Path) -> None:
    picture(tmp_path / "pictures" / "a.png")
    picture(tmp_path / "pictures" / "b.png")
    for words in (["list"], ["predict", str(digits_run), "pictures"]):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([*CARDINET, *words], cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, timeout=120)
        os.close(write)
        assert done.returncode == 0
        assert b"Traceback" not in done.stderr
        assert b"Exception" not in done.stderr


@pytest.mark.long
def test_talk_that_nobody_can_read_does_not_stop_the_work(digits_run: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*CARDINET, "eval", str(digits_run), "--json"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=write, timeout=120
    )
    os.close(write)
    assert done.returncode == 0
    assert json.loads(done.stdout)["count"] == 360


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*CARDINET, "list"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == 1
    assert done.stderr == b"error: The output could not be read or written: No space left on device.\n"


def test_a_name_that_the_terminal_cannot_show(digits_run: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff.png")
    picture(tmp_path / "a.png").rename(tmp_path / odd)
    picture(tmp_path / "é.png")
    said = process("predict", digits_run, odd, "é.png", "--json", cwd=tmp_path, PYTHONIOENCODING="utf-8:strict")
    assert said.code == 0, said.err
    assert [json.loads(line)["path"] for line in said.out.splitlines()] == [odd, "é.png"]


def test_control_c_during_predict(digits_run: Path, tmp_path: Path) -> None:
    class_folder(tmp_path / "pictures", count=1500, size=4)
    running = subprocess.Popen(
        [*CARDINET, "predict", str(digits_run), "pictures"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # so that `readline` takes one line, and leaves the others to `communicate`
    )
    assert running.stdout is not None
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err == b"error: Stopped.\n"
    assert all(json.loads(line) for line in out.splitlines())
    assert len(out.splitlines()) < 3000


def test_progress_in_a_terminal(tmp_path: Path) -> None:
    """The line is written over, never wider than the terminal, and gone in the end."""
    columns = 80
    screen = _terminal([*CARDINET, "train", "--epochs", "2", "--out", "run"], columns, tmp_path)
    drawn = re.findall(r"\r\x1b\[2K([^\r\x1b]*)", screen)
    shown = [text for text in drawn if "step" in text]
    assert shown
    assert all(len(text.split("\n")[0]) < columns for text in shown)
    lines = [line.rsplit("\x1b[2K", 1)[-1] for line in screen.replace("\r\n", "\n").split("\n")]
    assert [line[:17] for line in lines if line.startswith("epoch")] == ["epoch    1.0  val", "epoch    2.0  val"]
    assert not any("step" in line for line in lines)


def _terminal(command: list[str], columns: int, cwd: Path) -> str:
    """All that a command writes to a terminal of that width."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"} | {"OMP_NUM_THREADS": "1", "TERM": "xterm"}
    running = subprocess.Popen(command, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    read = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the terminal is closed when the process has ended
            break
        if not piece:
            break
        read += piece
    os.close(ours)
    assert running.wait(timeout=60) == 0
    return read.decode()
