"""What imports what in a package, read from its source: also what hides in functions, behind TYPE_CHECKING, or in text.

A text that is the full name of a module of the package, or of something in it ("lab.a:run", "lab.a.run"), counts as an
import of it, wherever it stands, as something loads what it names; that of a package counts for all modules in it too,
as a table of them loads these. A text that begins such names ("lab.kinds.", the start of one that is put together)
counts for every module that begins so; `__name__` and `__package__` in it are the file's own, and so is what a relative
name (".one") begins with where a function imports it. The name of the whole package is a word like others, and what
reads data that lies in a package is no import. A module that is reached as an attribute of an imported package
(`from lab import kinds`, then `kinds.one`) is imported too.

A package's `__init__` is a module like others. To import `a.b.c` is no import of `a` and `a.b`, which Python loads
before it; only to take a name from `a.b` that is no module of it is. So a package may offer names of its modules,
lazily or not, and a circle is found as soon as one of these modules takes a name from the package.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

DATA_READERS = {"files", "PackageLoader"}
"""Of importlib.resources and jinja2."""

IMPORTERS = {"import_module", "__import__", "find_spec", "resolve_name"}
"""Functions that take a module as text."""

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


def named_as_text(tree: ast.Module, modules: Collection[str], own: str) -> dict[str, set[str]]:
    """The texts of the file of a module that name modules, or begin such names, and the modules that each names."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    data = {id(text) for node in calls if called(node) in DATA_READERS for text in node.args}
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if id(node) not in data and (text := beginning(node, own)) is not None and (named := meant(text, modules)):
            found[text] = named
    package = own if any(module.startswith(f"{own}.") for module in modules) else own.rpartition(".")[0]
    for node in calls:
        text = beginning(node.args[0], own) if node.args and called(node) in IMPORTERS else None
        if text is not None and text.startswith(".") and (named := meant(package + text, modules)):
            found[text] = named
    return found


def beginning(node: ast.AST, own: str) -> str | None:
    """The text of an expression, or what a text that is put together begins with; None for any other expression."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [node.left, node.right]
    elif isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
    else:
        return None
    first = parts[0] if parts else None
    if isinstance(first, ast.Name) and first.id in ("__name__", "__package__"):
        home = own if first.id == "__name__" else own.rpartition(".")[0]
        return f"{home}{beginning(parts[1], own) or ''}" if len(parts) > 1 else home
    text = beginning(first, own) if first is not None else None
    return text if text is None or len(parts) < 2 else text + (beginning(parts[1], own) or "")


def meant(text: str, modules: Collection[str]) -> set[str]:
    """The modules that a text names: one, with all that are in it; those that it begins; or the one of "lab.a:run"."""
    if not re.fullmatch(r"\w+(\.\w+)*\.?(:\w+)?", text) or "." not in text or not within(text, modules):
        return set()
    inside = {module for module in modules if module.startswith(f"{text.removesuffix('.')}.")}
    if text in modules or (inside and text.endswith(".")):
        return inside | ({text} & set(modules))
    name = text.partition(":")[0].removesuffix(".")
    while name not in modules:
        name = name.rpartition(".")[0]
    return {name} if "." in name else set()


def within(text: str, modules: Collection[str]) -> bool:
    """Whether a text begins with the name of the whole package."""
    return text.partition(".")[0] in {module.partition(".")[0] for module in modules}


def reached_as_attributes(tree: ast.Module, modules: Collection[str]) -> set[str]:
    """The modules that a file reaches as attributes of packages that it imports, as in `kinds.one.f`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
            names |= {(top := alias.name.partition(".")[0]): top for alias in node.names if not alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}

    def module_of(node: ast.AST) -> str:
        if isinstance(node, ast.Attribute) and (before := module_of(node.value)):
            return name if (name := f"{before}.{node.attr}") in modules else ""
        return names.get(node.id, "") if isinstance(node, ast.Name) else ""

    attributes = (module_of(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {name for name in attributes if name in modules}


def called(node: ast.Call) -> str:
    """The last name of what is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def graph(modules: Mapping[str, ast.Module]) -> Graph:
    """The modules of a package that each module of it imports."""
    found: dict[str, set[str]] = {}
    for own, tree in modules.items():
        found[own] = set()
        for module, name in imported(tree):
            taken = f"{module}.{name}" if f"{module}.{name}" in modules else module
            found[own] |= {taken} & set(modules)
        for named in named_as_text(tree, modules, own).values():
            found[own] |= named
        found[own] |= reached_as_attributes(tree, modules)
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
