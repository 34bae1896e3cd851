"""What the texts say of the installation is true of pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_extra_that_a_text_names_is_there() -> None:
    files = [path for path in (ROOT / "src").rglob("*") if path.suffix in (".py", ".j2", ".toml")]
    files += [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "tests").rglob("*.py"),
    ]
    named = {extra for path in files for extra in re.findall(r"cardinet\[(\w+)\]", path.read_text())}
    assert named >= {"export", "hub", "peers", "t7"}
    assert named <= set(PROJECT["optional-dependencies"])


def test_extras_within_extras_are_there() -> None:
    listed = re.findall(r"cardinet\[([\w,]+)\]", " ".join(PROJECT["optional-dependencies"]["dev"]))
    assert listed
    assert {extra for group in listed for extra in group.split(",")} <= set(PROJECT["optional-dependencies"])
