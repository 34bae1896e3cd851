"""What imports what in a package, read from its source: also what hides in functions, behind TYPE_CHECKING, or in text.

A module that is named as text is one in an `import_module` (`__import__`, `find_spec`) of the same file: the whole
name, or the start of one that is put together there, which stands for every module that begins so.

A package that a `Table(...)` is made of is named as text too, and all its modules with it.

A package's `__init__` is a module like others. To import `a.b.c` is no import of `a` and `a.b`, which Python loads
before it; only to take a name from `a.b` that is no module of it is. So a package may offer names of its modules,
lazily or not, and a circle is found as soon as one of these modules takes a name from the package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

LOADERS = {"import_module", "__import__", "find_spec"}

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


def named_as_text(tree: ast.Module, package: str) -> set[str]:
    """The texts of a file that loads modules by text, and that name one of a package or begin such a name."""
    names = {node.id if isinstance(node, ast.Name) else node.attr for node in ast.walk(tree) if _is_name(node)}
    if not names & LOADERS:
        return set()
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if text.startswith(f"{package}.") and " " not in text and "\n" not in text}


def found_in_folders(tree: ast.Module) -> set[str]:
    """The packages whose modules a `Table` of a file finds."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    arguments = (argument for call in calls if call.func.id == "Table" for argument in call.args)  # type: ignore[attr-defined]
    return {a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str) and "." in a.value}


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


def graph(root: Path) -> Graph:
    """The modules of a package that each module of it imports."""
    modules = sources(root)
    found: dict[str, set[str]] = {}
    for own, tree in modules.items():
        found[own] = set()
        for module, name in imported(tree):
            meant = f"{module}.{name}" if f"{module}.{name}" in modules else module
            found[own] |= {meant} & set(modules)
        for text in named_as_text(tree, root.name):
            found[own] |= {text} & set(modules) or {module for module in modules if module.startswith(text)}
        for folder in found_in_folders(tree):
            found[own] |= {module for module in modules if f"{module}.".startswith(f"{folder}.")}
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
