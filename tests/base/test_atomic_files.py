"""Files that are whole or absent, also where writing fails or the process is killed; locks between processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cardinet.base.errors import WorkError
from cardinet.base.files import locked, publish_files, remove_parts, temporary_folder_beside, write_atomic

HOLD = """
import sys, pathlib
from cardinet.base.files import temporary_folder_beside, publish_files, locked
with locked(pathlib.Path(sys.argv[1]), "taken"):
    print("held", flush=True)
    sys.stdin.read()
"""
FULL = """
import pathlib, resource, signal, sys
from cardinet.base.errors import WorkError
from cardinet.base.files import temporary_folder_beside, publish_files, write_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(pathlib.Path(sys.argv[1]), b"x" * 5000)
except WorkError as error:
    print(error)
"""
KILLED = """
import os, pathlib, signal, sys
from cardinet.base import files
files.os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
files.write_atomic(pathlib.Path(sys.argv[1]), b"new")
"""


def run(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)


def test_text_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "Straße")
    assert path.read_bytes() == "Straße".encode()
    write_atomic(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(tmp_path) == ["file"]


def test_rename_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")

    def fail(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cardinet.base.files.os.replace", fail)
    with pytest.raises(WorkError, match="could not be written: No space left on device"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_disk_that_is_full_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files, set in a process of its own, cuts the write as a full disk does."""
    path = tmp_path / "file"
    write_atomic(path, "old")
    done = run(FULL, path)
    assert "could not be written: File too large" in done.stdout, done.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_kill_before_the_rename_leaves_the_old_file_and_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")
    assert run(KILLED, path).returncode == -9
    assert path.read_text() == "old"
    assert len(os.listdir(tmp_path)) == 2
    remove_parts(tmp_path)
    assert os.listdir(tmp_path) == ["file"]


def test_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="No such file or directory"):
        write_atomic(tmp_path / "no" / "file", "x")
    with pytest.raises(WorkError, match="cannot be locked"), locked(tmp_path / "no", "taken"):
        pass


def test_lock_of_another_process_is_refused_and_ends_with_it(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WorkError, match="the run is being written"), locked(tmp_path, "the run is being written"):
            pass
        holder.kill()
    with locked(tmp_path, "taken"), pytest.raises(WorkError, match="taken"), locked(tmp_path, "taken"):
        pass
    with locked(tmp_path, "taken"):
        pass


def test_files_in_the_making_are_gone_or_in_their_places(tmp_path: Path) -> None:
    first, second = tmp_path / "a.bin", tmp_path / "a.xml"
    with temporary_folder_beside(second) as folder:
        (folder / "1").write_text("weights")
        (folder / "2").write_text("graph")
        publish_files({folder / "1": first, folder / "2": second})
        (folder / "3").write_text("left")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "a.xml"]
    assert (first.read_text(), second.read_text()) == ("weights", "graph")


def test_of_several_files_none_stays_if_one_cannot_be_placed(tmp_path: Path) -> None:
    (tmp_path / "a.xml").mkdir()
    with temporary_folder_beside(tmp_path / "a.xml") as folder:
        (folder / "1").write_text("weights")
        (folder / "2").write_text("graph")
        with pytest.raises(WorkError, match=r"a\.xml could not be written"):
            publish_files({folder / "1": tmp_path / "a.bin", folder / "2": tmp_path / "a.xml"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.xml"]


def no_links(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def pair(folder: Path) -> tuple[dict[Path, Path], Path, Path]:
    """Two finished files, and the places that they are to have."""
    (folder / "making").mkdir()
    first, second = folder / "a.bin", folder / "a.xml"
    for name in "12":
        (folder / "making" / name).write_text(name)
    return {folder / "making" / "1": first, folder / "making" / "2": second}, first, second


@pytest.mark.parametrize("links", [True, False])
def test_what_has_appeared_meanwhile_is_not_replaced(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, first, second = pair(tmp_path)
    if not links:
        monkeypatch.setattr("cardinet.base.files.os.link", no_links)
    second.write_text("theirs")
    with pytest.raises(
        WorkError,
        match=r"a\.xml could not be written: another program has made it in the meantime; name another file\.",
    ):
        publish_files(made)
    assert second.read_text() == "theirs"
    assert not first.exists()


def test_without_links_files_have_their_places_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, first, second = pair(tmp_path)
    monkeypatch.setattr("cardinet.base.files.os.link", no_links)
    publish_files(made)
    assert (first.read_text(), second.read_text()) == ("1", "2")
    assert not any((tmp_path / "making").iterdir())


@pytest.mark.parametrize("links", [True, False])
def test_stopped_between_two_places_none_stays(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, first, second = pair(tmp_path)
    place = os.link if links else os.replace

    def stopped(source: Path, target: Path) -> None:
        place(source, target)
        if target == second:
            raise KeyboardInterrupt

    if not links:
        monkeypatch.setattr("cardinet.base.files.os.link", no_links)
    monkeypatch.setattr(f"cardinet.base.files.os.{place.__name__}", stopped)
    with pytest.raises(KeyboardInterrupt):
        publish_files(made)
    assert not first.exists()
    assert not second.exists()


def test_a_folder_that_refuses_is_reported(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="cannot be written"), temporary_folder_beside(tmp_path / "no" / "a.onnx"):
        pass
