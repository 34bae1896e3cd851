"""ResNet-50 and ResNeXt-50 32x4d cost the same: Xie et al. 2016, Table 1 (arXiv 1611.05431)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab, Printed
from cardinet.reproduce.rules import All, Exactly, Samples, Within

PARAMETERS, MACS = "parameters of ResNeXt-50 / ResNet-50", "MACs of ResNeXt-50 / ResNet-50"


def measure(lab: Lab) -> Samples:
    from cardinet.measure.counts import count_spec
    from cardinet.networks.registry import find

    resnet, resnext = (count_spec(find(name).spec, 224) for name in ("resnet50", "resnext50_32x4d"))
    return {
        PARAMETERS: [resnext.params / resnet.params],
        MACS: [resnext.macs / resnet.macs],
        "parameters of ResNet-50": [resnet.params],
        "parameters of ResNeXt-50": [resnext.params],
    }


CLAIM = Claim(
    id="equal-counts",
    chapter="Cardinality",
    statement="ResNeXt-50 32x4d has about the parameters and MACs of ResNet-50.",
    paper="arXiv 1611.05431, Table 1",
    printed=(
        Printed("parameters of ResNet-50 and ResNeXt-50", "25.5 M, 25.0 M", "printed"),
        Printed("multiply-adds of ResNet-50 and ResNeXt-50", "4.1 G, 4.2 G", "printed"),
    ),
    experiment="Both networks are counted exactly, at 224 pixels.",
    measures="ratio or count",
    percent=False,
    rule=All(
        (
            Within(PARAMETERS, 0.95, 1.05),
            Within(MACS, 0.95, 1.05),
            Exactly({"parameters of ResNet-50": 25_557_032, "parameters of ResNeXt-50": 25_028_904}),
        )
    ),
    measure=measure,
    bars=(PARAMETERS, MACS),
    minutes={"minutes": 0.1, "hour": 0.1, "gpu": 0.1},
)
