"""The reductions of an inception module: Szegedy et al. 2014 (arXiv 1409.4842)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab
from cardinet.reproduce.rules import Samples, Within

RATIO = "MACs"


def measure(lab: Lab) -> Samples:
    from cardinet.measure.counts import count_spec
    from cardinet.networks.registry import find

    spec = find("googlenet").spec
    reduced, naive = count_spec(spec, 224), count_spec(spec.but(naive=True), 224)
    return {
        RATIO: [naive.macs / reduced.macs],
        "parameters": [naive.params / reduced.params],
    }


CLAIM = Claim(
    id="reduced-inception",
    chapter="Branches",
    statement="Without 1x1 reductions an inception network costs at least twice as much.",
    paper="arXiv 1409.4842",
    experiment="GoogLeNet with the widths of its Table 1, with naive and with reduced modules, counted at 224 pixels.",
    measures="naive / reduced",
    percent=False,
    rule=Within(RATIO, 2, 100),
    measure=measure,
    minutes={"minutes": 0.1, "hour": 0.1, "gpu": 0.1},
)
