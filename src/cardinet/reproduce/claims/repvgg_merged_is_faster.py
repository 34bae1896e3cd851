"""RepVGG's merged form is faster: Ding et al. 2021 (arXiv 2101.03697)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab
from cardinet.reproduce.functions import forward_times
from cardinet.reproduce.rules import Less, Samples

MERGED, TRAINING = "merged", "training form"


def measure(lab: Lab) -> Samples:
    from cardinet.build.builder import build
    from cardinet.networks.registry import find
    from cardinet.rewrite.merge_branches import merge_branches

    network = build(find("repvgg_a0").spec).eval()
    return forward_times({TRAINING: network, MERGED: merge_branches(network)}, side=224)


CLAIM = Claim(
    id="repvgg-merged-is-faster",
    chapter="Re-parameterisation",
    statement="RepVGG's merged form answers faster than its training form.",
    paper="arXiv 2101.03697",
    experiment="Time of a forward pass of RepVGG-A0 on one picture of 224 pixels, one thread, both forms in turn.",
    measures="milliseconds",
    percent=False,
    rule=Less(MERGED, TRAINING),
    measure=measure,
    minutes={"minutes": 0.5, "hour": 0.5, "gpu": 0.5},
)
