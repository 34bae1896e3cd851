"""Every published name stands literally at one place of the families' tables, so that a search for it finds its row."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from cardinet.networks import families
from cardinet.networks.registry import LOOKALIKES, NETWORKS, PEERS, REFUSED, UNBUILDABLE

TABLES = sorted(Path(str(families.__file__)).parent.glob("*.py"))


def test_every_name_stands_at_one_place() -> None:
    nodes = [node for path in TABLES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    written = Counter(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    published = {*NETWORKS, *PEERS, *LOOKALIKES, *REFUSED, *UNBUILDABLE}
    assert len(TABLES) > 20
    assert len(published) >= 449
    assert {name: written[name] for name in published if written[name] != 1} == {}
