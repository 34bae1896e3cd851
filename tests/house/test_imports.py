"""The imports of the package: no circles, however well they hide; no torch in descriptions; module names as text."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from house.imports import Graph, circles, graph, imported, named_as_text, reached, sources

PACKAGE = Path(__file__).parents[2] / "src" / "cardinet"

BY_TEXT = {
    "cardinet": "its rooms that are called as functions",
    "cardinet.bench.contenders": "the contenders",
    "cardinet.build.binding": "the modules of parts",
    "cardinet.data.kinds": "the kinds of sources",
    "cardinet.data.data_settings": "the table of augmentations",
    "cardinet.explain.questions": "the questions",
    "cardinet.reproduce.claims": "the claims",
    "cardinet.train.recipe": "the tables of optimizers, schedules, objectives and methods",
    "cardinet.train.watching": "the trackers",
}
"""The files that have modules of the package loaded by text, and which."""


def package(root: Path, files: Mapping[str, str]) -> Path:
    """A package `lab` with these files, by their paths without .py."""
    for name, text in {"__init__": "", **files}.items():
        path = root / "lab" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return root / "lab"


KINDS: dict[str, tuple[dict[str, str], set[str]]] = {
    "at the top": ({"a": "import lab.b", "b": "from lab.a import x"}, {"lab.a", "lab.b"}),
    "with itself": ({"a": "def f():\n    import lab.a"}, {"lab.a"}),
    "in a function": ({"a": "from lab import b", "b": "def f():\n    from lab.a import x"}, {"lab.a", "lab.b"}),
    "for types alone": ({"a": "import lab.b", "b": "if TYPE_CHECKING:\n    from lab.a import x"}, {"lab.a", "lab.b"}),
    "as text": ({"a": "from lab.b import y", "b": "importlib.import_module('lab.a')"}, {"lab.a", "lab.b"}),
    "as text put together": (
        {"a": "import lab.kinds", "kinds/__init__": "import_module(f'lab.kinds.{name}')", "kinds/one": "import lab.a"},
        {"lab.a", "lab.kinds", "lab.kinds.one"},
    ),
    "as a package that something else loads": (
        {"a": "TABLE = Table('lab.kinds')", "kinds/__init__": "", "kinds/one": "import lab.a"},
        {"lab.a", "lab.kinds.one"},
    ),
    "as text of something in it": ({"a": "import lab.b", "b": "PLACE = 'lab.a:run'"}, {"lab.a", "lab.b"}),
    "as text of an attribute": ({"a": "import lab.b", "b": "resolve_name('lab.a.run')"}, {"lab.a", "lab.b"}),
    "as text added up": (
        {"a": "import lab.kinds", "kinds/__init__": "import_module('lab.kinds.' + name)", "kinds/one": "import lab.a"},
        {"lab.a", "lab.kinds", "lab.kinds.one"},
    ),
    "by the file's own name": (
        {"a": "import lab.kinds", "kinds/__init__": "import_module(f'{__name__}.{x}')", "kinds/one": "import lab.a"},
        {"lab.a", "lab.kinds", "lab.kinds.one"},
    ),
    "by the name of its package": (
        {"kinds/__init__": "", "kinds/a": "import_module(__package__ + '.b')", "kinds/b": "import lab.kinds.a"},
        {"lab.kinds.a", "lab.kinds.b"},
    ),
    "as a relative text": (
        {"kinds/__init__": "", "kinds/a": "import_module('.b', __package__)", "kinds/b": "import lab.kinds.a"},
        {"lab.kinds.a", "lab.kinds.b"},
    ),
    "as an attribute of a package": (
        {"a": "from lab import kinds\nkinds.one.f()", "kinds/__init__": "", "kinds/one": "import lab.a"},
        {"lab.a", "lab.kinds.one"},
    ),
    "as an attribute of an attribute": (
        {"a": "import lab.kinds as k\ndef f():\n    k.one.g.h()", "kinds/__init__": "", "kinds/one": "import lab.a"},
        {"lab.a", "lab.kinds.one"},
    ),
    "through a name of the package": (
        {"a": "from lab import x", "__init__": "def __getattr__(name):\n    from lab.a import x\n    return x"},
        {"lab", "lab.a"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_circle_of_every_kind_is_found(kind: str, tmp_path: Path) -> None:
    assert len(KINDS) == 16
    files, circle = KINDS[kind]
    assert circles(graph(sources(package(tmp_path, {**files, "outside": "import lab.a"})))) == [circle]


def test_a_straight_package_has_no_circle(tmp_path: Path) -> None:
    """Names that a package offers, its data, and its own name as a word are none."""
    files = {
        "__init__": "from lab.a import x",
        "a": "import lab.b\nfrom lab import c",
        "b": "import lab.c\nNAME = 'lab'\nTEXT = files('lab.data')",
        "c": '"Not lab.a."',
        "data/__init__": "",
        "data/one": "import lab.b",
    }
    found = graph(sources(package(tmp_path, files)))
    assert found["lab"] == {"lab.a"}
    assert found["lab.a"] == {"lab.b", "lab.c"}
    assert found["lab.b"] == {"lab.c"}
    assert circles(found) == []


@pytest.fixture(scope="module")
def files() -> dict[str, ast.Module]:
    return sources(PACKAGE)


@pytest.fixture(scope="module")
def edges(files: dict[str, ast.Module]) -> Graph:
    return graph(files)


def test_the_package_has_no_circles(edges: Graph) -> None:
    assert len(edges) > 200
    assert sum(map(len, edges.values())) > 1000
    assert circles(edges) == []


def test_descriptions_import_no_torch(files: dict[str, ast.Module], edges: Graph) -> None:
    """Nor does anything that they import."""
    inside = {module for module in files if module.startswith("cardinet.networks")}
    assert len(inside) > 40
    below = inside | {module for name in inside for module in edges[name]}
    rooms = {module.split(".")[1] for module in below}
    assert rooms == {"networks", "base"}
    heavy = {(name, module) for name in below for module, _ in imported(files[name]) if module.startswith("torch")}
    assert heavy == set()
    texts = {node.value for name in below for node in ast.walk(files[name]) if isinstance(node, ast.Constant)}
    assert not {text for text in texts if isinstance(text, str) and re.fullmatch(r"torch(\.\w+)*", text)}


def test_modules_are_named_as_text_at_few_places(files: dict[str, ast.Module]) -> None:
    by_text = {name: named_as_text(tree, files, name) for name, tree in files.items()}
    assert {name for name, texts in by_text.items() if texts} == set(BY_TEXT)
    assert set(by_text["cardinet.build.binding"]) == {"cardinet.blocks."}


def test_the_parts_of_recipes_are_found_in_folders(files: dict[str, ast.Module], edges: Graph) -> None:
    """And what they import does not come back to the recipe."""
    recipe, pictures = (
        named_as_text(files[name], files, name) for name in ("cardinet.train.recipe", "cardinet.data.data_settings")
    )
    tables = recipe | pictures
    assert set(tables) == {
        "cardinet.data.augmentations",
        *(f"cardinet.train.{kind}" for kind in ("methods", "objectives", "optimizers", "schedules")),
    }
    parts = {module for named in tables.values() for module in named} - set(tables)
    assert len(parts) >= 12
    assert parts <= reached(edges, "cardinet.train.recipe")
    assert not any("cardinet.train.recipe" in reached(edges, part) for part in parts)


def test_the_module_of_a_part_is_a_file_of_blocks(edges: Graph) -> None:
    from cardinet.networks.registry import known_parts

    """And whoever reads a document knows every part."""
    ours = [kind for kind in known_parts().values() if kind.__module__.startswith("cardinet.")]
    texts = {text for kind in ours if isinstance(text := vars(kind).get("MODULE"), str)}
    assert len(texts) > 20
    assert not {text for text in texts if not (PACKAGE / "blocks" / f"{text.partition(':')[0]}.py").is_file()}
    parts = {module for module in edges if module.startswith("cardinet.networks.parts.")}
    assert len(parts) > 10
    assert parts <= reached(edges, "cardinet.networks.document")
