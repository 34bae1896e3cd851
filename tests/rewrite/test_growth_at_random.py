"""Any residual description that is accepted grows into the same function, or is refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.networks.residual import Residual
from cardinet.rewrite.steps import Step, apply
from networks.test_composition import SMALL, SPECS
from rewrite.growing import as_its_description_builds_it, proof, trained

pytestmark = pytest.mark.long

ODD = (
    *("spatial", "transform.dropout", "form", "copies", "narrow_first"),
    *("order", "shortcut", "carry", "merge", "levels"),
)
"""What is as in `SMALL` but for some of it, as few combinations of all have a meaning and grow."""

EXAMPLES = 25
SIDE = 8
FACTOR = st.sampled_from([1, 1, 1.5, 2])
ARGUMENTS: dict[str, st.SearchStrategy[Any]] = {
    "deepen": st.sampled_from([(1, 0), (0, 1), (1, 2)]),
    "widen": st.tuples(FACTOR, FACTOR, FACTOR),
}
"""Units more, or the factors of widths, base width and cardinality."""


def arguments(spec: Residual, name: str, more: Any) -> dict[str, Any]:
    if name == "deepen":
        return {"depths": [depth + extra for depth, extra in zip(spec.depths, more, strict=True)]}
    widths, base_width, cardinality = more
    own = int(getattr(spec.transform.spatial, "cardinality", 1))
    found = {
        "widths": [int(width * widths) for width in spec.widths],
        "base_width": spec.transform.base_width * base_width,
        "cardinality": int(own * cardinality),
    }
    return {key: value for key, value in found.items() if value not in (list(spec.widths), own)}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_growth_at_random(name: str) -> None:
    proven, reasons = set[Residual](), set[str]()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(SPECS, st.sets(st.sampled_from(ODD), max_size=3), ARGUMENTS[name], st.booleans())
    def check(delta: dict[str, Any], odd: set[str], more: Any, stripped: bool) -> None:
        try:
            spec = SMALL.but(**{key: value for key, value in delta.items() if key in odd or key not in ODD})
        except RequestError:
            return
        steps = [*[Step("strip")] * stripped, Step(name, arguments(spec, name, more))]
        try:
            grown = apply(build(spec, device="meta"), steps)
        except RequestError as error:
            reasons.update(error.findings)
            return
        as_its_description_builds_it(grown, spec, steps)
        found = proof(apply(trained(spec, SIDE), steps[:-1]), steps[-1], SIDE)
        assert found.float64 <= 1e-10
        assert found.float32 <= 1e-4
        proven.add(spec)

    check()
    assert len(proven) >= 5
    assert len(reasons) >= 1
    assert all(text.endswith(".") for text in reasons)
