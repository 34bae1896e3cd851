"""RepVGG's training form and its plain form are one function: Ding et al. 2021 (arXiv 2101.03697)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab
from cardinet.reproduce.functions import drawn_network, largest_difference
from cardinet.reproduce.rules import Samples, Within

NAME = "merged form against training form"


def measure(lab: Lab) -> Samples:
    from cardinet.networks.registry import find
    from cardinet.rewrite.merge_branches import merge_branches

    network = drawn_network(find("repvgg_a0").spec.but(widths=(8, 16, 16, 32), num_classes=10)).double()
    return {NAME: [largest_difference(network, merge_branches(network), side=64)]}


CLAIM = Claim(
    id="repvgg-is-one-function",
    chapter="Re-parameterisation",
    statement="RepVGG's three branches and its single convolution are one function.",
    paper="arXiv 2101.03697",
    experiment="A narrow RepVGG with drawn BN statistics is merged and compared in float64.",
    measures="largest relative difference of the logits",
    percent=False,
    rule=Within(NAME, 0, 1e-10),
    measure=measure,
    minutes={"minutes": 0.2, "hour": 0.2, "gpu": 0.2},
)
