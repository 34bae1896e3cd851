"""ResRep: Ding et al. 2020 (arXiv 2007.03260); the networks before pruning, at full width."""

from cardinet.networks.families.resnet import resnet50
from cardinet.networks.families.resnet_cifar import projected
from cardinet.networks.family import family, row

RELEASED = {
    "layer1": ((22, 22), (23, 36), (1, 1)),
    "layer2": ((62, 97), (16, 49), (38, 68), (41, 92)),
    "layer3": ((189, 204), (69, 145), (65, 139), (64, 94), (67, 89), (86, 95)),
    "layer4": ((473, 488), (171, 281), (511, 512)),
}
"""The widths that the released ResNet-50 kept, unit by unit: the end of the authors' res50_54.5pruned_log.txt."""

KEPT = {
    f"{stage}.{unit}.conv{i}": width
    for stage, units in RELEASED.items()
    for unit, widths in enumerate(units)
    for i, width in enumerate(widths, 1)
}

FAMILY = family(
    "ResRep",
    paper="arXiv 2007.03260",
    input_size=224,
    rows={
        "resrep_resnet50": row(
            resnet50,
            reading="The network before pruning. The published count is that of the pruned network with folded BN. "
            "Its widths are those at the end of the authors' log.",
            printed_steps=({"name": "fold"}, {"name": "narrow", "arguments": {"kept": KEPT}}),
        )
    },
)
CIFAR = family(
    "ResRep",
    paper="arXiv 2007.03260",
    input_size=32,
    rows={
        "resrep_resnet56": row(
            projected.but(depths=(9, 9, 9)),
            reading="The network before pruning. It has projections where the shape changes, as in the authors' "
            "code. The paper's ResNet-56 has zero padding there.",
        )
    },
)
