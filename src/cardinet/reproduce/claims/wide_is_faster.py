"""A wide and shallow network trains faster than a deep one of equal parameters: Zagoruyko and Komodakis 2016, Section 3
(arXiv 1605.07146).
"""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab
from cardinet.reproduce.functions import step_times
from cardinet.reproduce.rules import All, Less, Samples, Within

WIDE, DEEP, RATIO = "wide: 10 layers, k = 4", "deep: 100 layers, k = 1", "parameters, wide / deep"


def measure(lab: Lab) -> Samples:
    from cardinet.measure.counts import count_spec
    from cardinet.networks.registry import find

    wide, deep = {"depths": (1, 1, 1)}, {"depths": (16, 16, 16)}
    times = step_times({WIDE: ("wrn16_4", wide), DEEP: ("wrn40_1", deep)})
    counts = [
        count_spec(find(name).spec.but(**delta), 32).params for name, delta in (("wrn16_4", wide), ("wrn40_1", deep))
    ]
    return {WIDE: [times[WIDE]], DEEP: [times[DEEP]], RATIO: [counts[0] / counts[1]]}


CLAIM = Claim(
    id="wide-is-faster",
    chapter="Width",
    statement="A wide and shallow network trains faster than a thin and deep one of as many parameters.",
    paper="arXiv 1605.07146",
    experiment="Mean time of a training step at 32 pixels, both networks in turn.",
    measures="seconds, or ratio",
    percent=False,
    rule=All((Less(WIDE, DEEP), Within(RATIO, 0.7, 1.3))),
    measure=measure,
    minutes={"minutes": 2, "hour": 2, "gpu": 2},
)
