"""Where a new file or folder may be written, and every place where it may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cardinet.base.errors import RequestError
from cardinet.base.output_paths import check_new_file, check_new_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("file")
    return tmp_path


TAKEN = ["folder", "file", "pipe", "dangling", "loop", "link"]
NO_PLACE = ["file/x", "dangling/x", "loop/x", "x" * 300, "a\0b", "\ud800", "/proc/x", "/sys/x", "/dev/null/x"]


@pytest.mark.parametrize("name", [*TAKEN, *NO_PLACE, "missing/x"])
def test_a_file_has_no_place(root: Path, name: str) -> None:
    before = sorted(os.listdir(root))
    with pytest.raises(RequestError, match=r"exists; name|is a folder; name|cannot be written: .+[.]$"):
        check_new_file(root / name)
    assert sorted(os.listdir(root)) == before


@pytest.mark.parametrize("name", [*TAKEN, *NO_PLACE])
@pytest.mark.parametrize("parents", [False, True])
def test_a_folder_has_no_place(root: Path, name: str, parents: bool) -> None:
    before = sorted(os.listdir(root))
    with pytest.raises(RequestError, match=r"exists; give --dry-run a|cannot be (made|written): .+[.]$"):
        check_new_folder(root / name, option="--dry-run", parents=parents)
    assert sorted(os.listdir(root)) == before


def test_what_has_a_place(root: Path) -> None:
    check_new_file(root / "new")
    check_new_file(root / "folder" / "new")
    check_new_file(root / "file", replaces=True)
    check_new_folder(root / "new")
    check_new_folder(root / "a" / "b" / "c", parents=True)
    with pytest.raises(RequestError, match="its parent folder does not exist"):
        check_new_folder(root / "a" / "b" / "c")
    for name in ("pipe", "dangling", "link"):
        with pytest.raises(RequestError, match="is a link, device or pipe; name another file"):
            check_new_file(root / name, replaces=True)
    assert os.listdir(root / "folder") == []
