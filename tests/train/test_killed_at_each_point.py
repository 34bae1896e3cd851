"""SIGKILL in the middle of a call: what is on disk is whole, and the resumed run has the bits of one that lived."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from train.killed_at import NO_RUN_YET, POINTS
from train.runs_to_compare import DIGITS, differences, train

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """The folder with one run for each point, by its number, and what happened to it."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "train.killed_at", str(folder)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("whole") / "run", DIGITS).path


def test_the_points_counted() -> None:
    assert len(POINTS) == 18
    assert len(set(POINTS.values())) == 18


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_costs_no_bit(killed: tuple[Path, dict[str, dict[str, Any]]], whole: Path, point: str) -> None:
    folder, happened = killed
    report = happened[point]
    assert report["died"] == -9
    assert report["ended"] == 0
    assert differences(whole, folder / str(list(POINTS).index(point)) / "run") == []


@pytest.mark.parametrize("point", POINTS)
def test_a_run_folder_is_there_only_with_a_checkpoint(
    killed: tuple[Path, dict[str, dict[str, Any]]], point: str
) -> None:
    """Before it is complete there is none; what the dead process left is removed by the next one."""
    report = killed[1][point]
    assert report["there"] == (point not in NO_RUN_YET)
    assert report["left"] == (1 if point in NO_RUN_YET else 0)
    assert report["after"] == []


def test_some_kills_left_half_written_files(killed: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    """So the points before a rename were really hit."""
    left = {point: [Path(part).name.split(".")[1] for part in report["parts"]] for point, report in killed[1].items()}
    assert {point: names for point, names in left.items() if names} == {
        "before run.toml": ["run"],
        "before data.json": ["data"],
        "before the first checkpoint": ["last"],
        "best written beside": ["best"],
        "second checkpoint written beside": ["last"],
    }
