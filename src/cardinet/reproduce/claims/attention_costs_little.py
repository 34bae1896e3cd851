"""What attention costs: Hu et al. 2017 (arXiv 1709.01507), Li et al. 2019 (arXiv 1903.06586)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab
from cardinet.reproduce.rules import All, Samples, Within

SE, SK = "SE-ResNet-50 / the same without gates", "SKNet-50 / ResNeXt-50 32x4d"


def measure(lab: Lab) -> Samples:
    from cardinet.measure.counts import count_spec
    from cardinet.networks.registry import find

    gated = find("seresnet50").spec
    pairs = {SE: (gated, gated.but(gate=None)), SK: (find("sknet50").spec, find("resnext50_32x4d").spec)}
    return {name: [count_spec(one, 224).macs / count_spec(other, 224).macs] for name, (one, other) in pairs.items()}


CLAIM = Claim(
    id="attention-costs-little",
    chapter="Attention",
    statement="The attention of SE and SK networks costs few MACs.",
    paper="arXiv 1709.01507, 1903.06586",
    experiment="The networks are counted exactly, at 224 pixels.",
    measures="ratio of the MACs",
    percent=False,
    rule=All((Within(SE, 1, 1.01), Within(SK, 1, 1.1))),
    measure=measure,
    minutes={"minutes": 0.1, "hour": 0.1, "gpu": 0.1},
)
