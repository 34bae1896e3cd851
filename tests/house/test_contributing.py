"""CONTRIBUTING.md says what is there: the rooms in their order, the files to start at, the files of its recipes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "cardinet"
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)/` \| .* \| (.*) \|$", TEXT, re.MULTILINE)


def test_the_table_of_rooms_has_the_layers_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(one["layers"] for one in contracts if one["name"] == "A room imports only from the rooms below it")
    floors = {room: floor for floor, layer in enumerate(layers) for room in layer.split(" | ")}
    rooms = [room for room, _ in ROWS]
    assert sorted(rooms) == sorted(floors) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    assert rooms == sorted(rooms, key=floors.__getitem__)


def test_the_files_to_start_at_are_there() -> None:
    files = [PACKAGE / room / file for room, start in ROWS for file in re.findall(r"`(.*?)`", start)]
    assert len(files) >= len(ROWS)
    assert [str(path) for path in files if not path.exists()] == []


def test_the_files_of_the_package_that_recipes_name_are_there() -> None:
    rooms = "|".join(room for room, _ in ROWS)
    named = set(re.findall(rf"`((?:{rooms}|tests|proofs|benchmarks|docs)/[\w/]+(?:\.\w+|/))`", TEXT))
    missing = [name for name in named if not any((root / name).exists() for root in (PACKAGE, ROOT))]
    assert len(named) > 30
    assert missing == []
