"""A MAC of a grouped convolution takes more time: Xie et al. 2016, Section 5.1 (arXiv 1611.05431)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab, Printed
from cardinet.reproduce.functions import forward_times
from cardinet.reproduce.rules import Less, Samples

RESNET, RESNEXT = "ResNet-50", "ResNeXt-50 32x4d"


def measure(lab: Lab) -> Samples:
    from cardinet.build.builder import build
    from cardinet.networks.registry import find

    names = {RESNET: "resnet50", RESNEXT: "resnext50_32x4d"}
    return forward_times({name: build(find(id).spec).eval() for name, id in names.items()}, side=224)


CLAIM = Claim(
    id="grouped-time-penalty",
    chapter="Cardinality",
    statement="At equal MACs a ResNeXt takes more time than a ResNet.",
    paper="arXiv 1611.05431, Section 5.1",
    printed=(Printed("ResNet-101, ResNeXt-101 32x4d: a step on 8 M40", "0.70 s, 0.95 s", "printed"),),
    experiment="Time of a forward pass on one picture of 224 pixels, both networks in turn.",
    measures="milliseconds",
    percent=False,
    rule=Less(RESNET, RESNEXT),
    measure=measure,
    minutes={"minutes": 1, "hour": 1, "gpu": 1},
)
