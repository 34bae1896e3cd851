"""The drawing of a network or a model file, from the facts about it."""

from __future__ import annotations

from collections.abc import Sequence

from cardinet.draw.figure import network_svg
from cardinet.report.model_facts import ModelFacts


def model_svg(found: ModelFacts, words: Sequence[str] = ()) -> str:
    """The SVG of a network or a model file; `words` are the changes to a named network."""
    about = [", ".join(str(found.facts[key]) for key in ("family", "paper", "file") if key in found.facts)]
    about += [f"with {', '.join(words)}"] if words else []
    for form, totals in found.facts.get("forms", {}).items():
        about.append(f"{form} form: {totals['params']:,} parameters, {totals['macs']:,} MACs")
    notes = []
    if found.rewrites:
        names = ", ".join(dict.fromkeys(found.rewrites))
        notes.append(
            f"This network was rewritten ({names}). Shapes and counts are those after it; units and stages are drawn "
            "as they were described before it."
        )
    return network_svg(found.spec, found.counts, str(found.facts["id"]), about, notes)
