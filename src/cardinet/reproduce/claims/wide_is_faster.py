"""A wide and shallow network trains faster than a deep one of equal parameters: Zagoruyko and Komodakis 2016
(arXiv 1605.07146).
"""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab
from cardinet.reproduce.functions import step_times
from cardinet.reproduce.rules import All, Less, Samples, Within

WIDE, DEEP, RATIO = "wide: 10 layers, k = 4", "deep: 76 layers, k = 1", "parameters, wide / deep"


def measure(lab: Lab) -> Samples:
    from cardinet.measure.counts import count_spec
    from cardinet.networks.registry import find

    wide = find("wrn16_4").spec.but(depths=(1, 1, 1))
    deep = find("wrn40_1").spec.but(depths=(12, 12, 12))
    counts = [count_spec(spec, 32).params for spec in (wide, deep)]
    return {**step_times({WIDE: wide, DEEP: deep}), RATIO: [counts[0] / counts[1]]}


CLAIM = Claim(
    id="wide-is-faster",
    chapter="Width",
    statement="A wide and shallow network trains faster than a thin and deep one of as many parameters.",
    paper="arXiv 1605.07146",
    experiment="Time of a training step at 32 pixels, one thread, both networks in turn.",
    measures="milliseconds, or ratio",
    percent=False,
    rule=All((Less(WIDE, DEEP), Within(RATIO, 0.9, 1.1))),
    measure=measure,
    bars=(WIDE, DEEP),
    minutes={"minutes": 2, "hour": 2, "gpu": 2},
)
