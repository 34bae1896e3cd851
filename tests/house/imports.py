"""What imports what in a package, read from its source: also what hides in functions, behind TYPE_CHECKING, or in text.

A text that is the full name of a module of the package counts as an import of it, wherever it stands, as something
loads what it names; that of a package counts for all modules in it too, as a table of them loads these. A text that
begins such names ("lab.kinds.", the start of one that is put together) counts for every module that begins so. The
name of the whole package is a word like others, and what reads data that lies in a package is no import.

A package's `__init__` is a module like others. To import `a.b.c` is no import of `a` and `a.b`, which Python loads
before it; only to take a name from `a.b` that is no module of it is. So a package may offer names of its modules,
lazily or not, and a circle is found as soon as one of these modules takes a name from the package.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

DATA_READERS = {"files", "PackageLoader"}
"""Of importlib.resources and jinja2."""

Graph = Mapping[str, set[str]]


def sources(root: Path) -> dict[str, ast.Module]:
    """The syntax of every module of the package in a folder, by the module's full name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of every import statement of a file, wherever it stands; the name is empty for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "an import relative to its own file; name the module in full"
            yield from ((node.module or "", alias.name) for alias in node.names)


def named_as_text(tree: ast.Module, modules: Collection[str]) -> dict[str, set[str]]:
    """The texts of a file that name modules, or begin such names, and the modules that each of them names."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    data = {id(text) for node in calls if called(node) in DATA_READERS for text in node.args}
    whole = {module.partition(".")[0] for module in modules}
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in data else None
        if not isinstance(text, str) or text.partition(".")[0] not in whole or "." not in text:
            continue
        inside = {module for module in modules if module.startswith(f"{text.removesuffix('.')}.")}
        if text in modules or (inside and text.endswith(".")):
            found[text] = inside | ({text} & set(modules))
    return found


def called(node: ast.Call) -> str:
    """The last name of what is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def graph(modules: Mapping[str, ast.Module]) -> Graph:
    """The modules of a package that each module of it imports."""
    found: dict[str, set[str]] = {}
    for own, tree in modules.items():
        found[own] = set()
        for module, name in imported(tree):
            meant = f"{module}.{name}" if f"{module}.{name}" in modules else module
            found[own] |= {meant} & set(modules)
        for named in named_as_text(tree, modules).values():
            found[own] |= named
    return found


def circles(edges: Graph) -> list[set[str]]:
    """The groups of modules of which each reaches each other one, and the modules that import themselves."""
    behind = {module: reached(edges, module) for module in edges}
    groups = {frozenset({m} | {n for n in behind[m] if m in behind[n]}) for m in edges if m in behind[m]}
    return sorted(map(set, groups), key=sorted)


def reached(edges: Graph, start: str) -> set[str]:
    """All modules that a module imports, and those that they import."""
    found: set[str] = set()
    waiting = [*edges[start]]
    while waiting:
        if (module := waiting.pop()) not in found:
            found.add(module)
            waiting += edges[module]
    return found
