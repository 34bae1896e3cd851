"""The imports of the package: no circles, however well they hide; no torch in descriptions; module names as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from house.imports import circles, found_in_folders, graph, imported, named_as_text, reached, sources

PACKAGE = Path(__file__).parents[2] / "src" / "cardinet"

BY_TEXT = {
    "cardinet": "its rooms that are called as functions",
    "cardinet.build.binding": "the modules of parts",
    "cardinet.data.kinds": "the kinds of sources",
}
"""The files that load modules of the package by text, and which."""


def package(root: Path, **files: str) -> Path:
    """A package `lab` with these files; `init` is its `__init__`."""
    folder = root / "lab"
    folder.mkdir()
    for name, text in {"__init__": files.pop("init", ""), **files}.items():
        (folder / f"{name}.py").write_text(text)
    return folder


KINDS: dict[str, dict[str, str]] = {
    "at the top": {"a": "import lab.b\n", "b": "from lab.a import x\n"},
    "in a function": {"a": "from lab import b\n", "b": "def f():\n    from lab.a import x\n    return x\n"},
    "for types alone": {"a": "import lab.b\n", "b": "if TYPE_CHECKING:\n    from lab.a import x\n"},
    "as text": {"a": "from lab.b import y\n", "b": "import importlib\nimportlib.import_module('lab.a')\n"},
    "as text put together": {
        "a": "import lab.b\n",
        "b": "from importlib import import_module\nimport_module(f'lab.a{name}')\n",
    },
    "through a table": {"a": "import lab.b\n", "b": "ROWS = Table(Kind, 'lab.a', 'kind')\n"},
    "through a name of the package": {
        "a": "from lab import offered\n",
        "init": "def __getattr__(name):\n    from lab.a import offered\n    return offered\n",
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_circle_of_every_kind_is_found(kind: str, tmp_path: Path) -> None:
    assert len(KINDS) == 7
    within = {"lab" if name == "init" else f"lab.{name}" for name in KINDS[kind]}
    assert circles(graph(package(tmp_path, **KINDS[kind], outside="import lab.a\n"))) == [within]


def test_a_module_that_imports_itself_is_a_circle(tmp_path: Path) -> None:
    assert circles(graph(package(tmp_path, a="def f():\n    import lab.a\n", b="import lab.a\n"))) == [{"lab.a"}]


def test_a_straight_package_has_no_circle(tmp_path: Path) -> None:
    """Names that a package offers, and text in a file that loads nothing by text, are none."""
    texts = {"init": "from lab.a import x\n", "b": "import lab.c\n", "c": "WHERE = 'lab.a'\n"}
    found = graph(package(tmp_path, a="import lab.b\nfrom lab import c\n", **texts))
    assert found == {"lab": {"lab.a"}, "lab.a": {"lab.b", "lab.c"}, "lab.b": {"lab.c"}, "lab.c": set()}
    assert circles(found) == []


@pytest.fixture(scope="module")
def edges() -> Any:
    return graph(PACKAGE)


def test_the_package_has_no_circles(edges: Any) -> None:
    assert len(edges) > 200
    assert sum(map(len, edges.values())) > 1000
    assert circles(edges) == []


def test_descriptions_import_no_torch(edges: Any) -> None:
    """Nor does anything that they import."""
    files = sources(PACKAGE)
    inside = {module for module in files if module.startswith("cardinet.networks")}
    assert len(inside) > 40
    below = inside | {module for name in inside for module in edges[name]}
    rooms = {module.split(".")[1] for module in below}
    assert rooms == {"networks", "base"}
    heavy = {(name, module) for name in below for module, _ in imported(files[name]) if module.startswith("torch")}
    assert heavy == set()
    assert not any(text.startswith("torch") for name in below for text in named_as_text(files[name], "torch"))


def test_modules_are_named_as_text_at_few_places() -> None:
    by_text = {name: named_as_text(tree, "cardinet") for name, tree in sources(PACKAGE).items()}
    assert {name for name, texts in by_text.items() if texts} == set(BY_TEXT)
    assert by_text["cardinet.build.binding"] == {"cardinet.blocks."}


def test_the_parts_of_recipes_are_found_in_folders(edges: Any) -> None:
    """And what they import does not come back to the recipe."""
    tables = {folder for tree in sources(PACKAGE).values() for folder in found_in_folders(tree)}
    assert tables == {
        "cardinet.data.augmentations",
        *(f"cardinet.train.{kind}" for kind in ("methods", "objectives", "optimizers", "schedules")),
    }
    parts = {module for module in edges if module.rpartition(".")[0] in tables}
    assert len(parts) >= 12
    assert parts <= reached(edges, "cardinet.train.recipe")
    assert not any("cardinet.train.recipe" in reached(edges, part) for part in parts)


def test_the_module_of_a_part_is_a_file_of_blocks(edges: Any) -> None:
    from cardinet.networks.registry import known_parts

    """And whoever reads a document knows every part."""
    ours = [kind for kind in known_parts().values() if kind.__module__.startswith("cardinet.")]
    texts = {text for kind in ours if isinstance(text := vars(kind).get("MODULE"), str)}
    assert len(texts) > 20
    assert not {text for text in texts if not (PACKAGE / "blocks" / f"{text.partition(':')[0]}.py").is_file()}
    parts = {module for module in edges if module.startswith("cardinet.networks.parts.")}
    assert len(parts) > 10
    assert parts <= reached(edges, "cardinet.networks.document")
