"""What attention costs: Hu et al. 2017 (arXiv 1709.01507), Li et al. 2019 (arXiv 1903.06586)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab
from cardinet.reproduce.rules import All, Samples, Within

SE, SK = "MACs of SE-ResNet-50 / ResNet-50", "MACs of SKNet-50 / ResNeXt-50"


def measure(lab: Lab) -> Samples:
    from cardinet.measure.counts import count_spec
    from cardinet.networks.registry import find

    def macs(name: str) -> int:
        return count_spec(find(name).spec, 224).macs

    return {SE: [macs("seresnet50") / macs("resnet50")], SK: [macs("sknet50") / macs("resnext50_32x4d")]}


CLAIM = Claim(
    id="attention-costs-little",
    chapter="Attention",
    statement="The attention of SE and SK networks costs few MACs.",
    paper="arXiv 1709.01507, 1903.06586",
    experiment="The networks are counted exactly, at 224 pixels.",
    measures="ratio",
    percent=False,
    rule=All((Within(SE, 0.9, 1.01), Within(SK, 0.95, 1.1))),
    measure=measure,
    minutes={"minutes": 0.1, "hour": 0.1, "gpu": 0.1},
    remarks=("SE-ResNet-50 has its stride in the first convolution of a unit, which counts fewer MACs.",),
)
