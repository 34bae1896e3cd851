"""A MAC of a grouped convolution takes more time: Xie et al. 2016, Section 5.1 (arXiv 1611.05431)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab, Printed
from cardinet.reproduce.functions import forward_times
from cardinet.reproduce.rules import Less, Samples

RESNET, RESNEXT = "ResNet-50", "ResNeXt-50 32x4d"


def measure(lab: Lab) -> Samples:
    from cardinet.build.builder import build
    from cardinet.measure.counts import count_spec
    from cardinet.networks.registry import find

    names = {RESNET: "resnet50", RESNEXT: "resnext50_32x4d"}
    specs = {name: find(id).spec for name, id in names.items()}
    times = forward_times({name: build(spec).eval() for name, spec in specs.items()}, side=224)
    gigas = {name: count_spec(spec, 224).macs / 1e9 for name, spec in specs.items()}
    return {name: [time / gigas[name] for time in times[name]] for name in names}


CLAIM = Claim(
    id="grouped-time-penalty",
    chapter="Cardinality",
    statement="A MAC of a ResNeXt takes more time than one of a ResNet.",
    paper="arXiv 1611.05431, Section 5.1",
    printed=(Printed("ResNet-101, ResNeXt-101 32x4d: a step on 8 M40", "0.70 s, 0.95 s", "printed"),),
    experiment="Time of a forward pass on one picture of 224 pixels, one thread, both networks in turn.",
    measures="milliseconds per billion MACs",
    percent=False,
    rule=Less(RESNET, RESNEXT),
    measure=measure,
    minutes={"minutes": 1, "hour": 1, "gpu": 1},
)
