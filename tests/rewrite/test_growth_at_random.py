"""Any residual description that is accepted grows into the same function, or is refused with a reason."""

from __future__ import annotations

from typing import Any

from growing import as_its_description_builds_it, proof, trained
from hypothesis import given, settings
from hypothesis import strategies as st

from cardinet.base.errors import RequestError
from cardinet.networks.builder import build
from cardinet.rewrite.registry import Step, apply
from networks.test_composition import SMALL, SPECS

ODD = (
    *("spatial", "transform.dropout", "form", "copies", "narrow_first"),
    *("order", "shortcut", "carry", "merge", "levels"),
)
"""What may be left as it is in `SMALL`, as few combinations of all have a meaning."""

EXAMPLES = 200

STEPS = st.one_of(
    st.fixed_dictionaries({"depths": st.tuples(st.integers(2, 3), st.integers(1, 3)).map(list)}).map(
        lambda arguments: Step("deepen", arguments)
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "widths": st.sampled_from([[32, 64], [24, 48], [16, 48], [48, 49], [17, 33]]),
            "base_width": st.sampled_from([80, 96, 128]),
            "cardinality": st.sampled_from([4, 8]),
        },
    ).map(lambda arguments: Step("widen", arguments)),
)


def test_growth_at_random() -> None:
    proven = {"deepen": 0, "widen": 0}
    reasons: set[str] = set()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(SPECS, st.sets(st.sampled_from(ODD)), STEPS, st.booleans())
    def check(delta: dict[str, Any], plain: set[str], step: Step, stripped: bool) -> None:
        try:
            spec = SMALL.but(**{key: value for key, value in delta.items() if key not in plain})
        except RequestError:
            return
        steps = [Step("strip")] * stripped
        try:
            grown = apply(build(spec, device="meta"), [*steps, step])
        except RequestError as error:
            reasons.update(error.findings)
            return
        as_its_description_builds_it(grown, spec, [*steps, step])
        network = apply(trained(spec, 8), steps)
        found = proof(network, step, 8)
        assert found.float64 <= 1e-10
        assert found.float32 <= 1e-4
        proven[step.name] += 1

    check()
    assert min(proven.values()) >= 20, proven
    assert len(reasons) >= 20
    assert all(text.endswith(".") for text in reasons)
