"""ResRep: Ding et al. 2020 (arXiv 2007.03260); the networks that it prunes, at their full width."""

from cardinet.networks.family import family
from cardinet.networks.resnet import resnet50
from cardinet.networks.resnet_cifar import resnet20

FAMILY = family(
    "ResRep",
    paper="arXiv 2007.03260",
    input_size=224,
    rows={"resrep_resnet50": resnet50},
    readings={
        "resrep_resnet50": "The network before pruning; the published count is that of the pruned one with its BN "
        "folded, which pruning makes of it."
    },
)
CIFAR = family(
    "ResRep",
    paper="arXiv 2007.03260",
    input_size=32,
    rows={"resrep_resnet56": resnet20.but(depths=(9, 9, 9), kind="B")},
    readings={
        "resrep_resnet56": "The network before pruning; with projections where the shape changes, as in the authors' "
        "code, where the paper's ResNet-56 has zero padding."
    },
)
