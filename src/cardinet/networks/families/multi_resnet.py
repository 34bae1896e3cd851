"""Multi-Residual Networks: Abdi and Nahavandi 2016 (arXiv 1609.05672): k transforms summed in every unit."""

from cardinet.networks.families.resnet_v2 import preact20, preact164
from cardinet.networks.family import family, row

wide26 = preact20.but(depths=(4, 4, 4), widths=(160, 320, 640), kind="B", project="conv")

FAMILY = family(
    "MultiResNet",
    paper="arXiv 1609.05672",
    input_size=32,
    rows={
        "multiresnet200_k5": preact164.but(depths=(22, 22, 22), copies=5),
        "multiresnet398_k5": preact164.but(depths=(44, 44, 44), copies=5),
        "multiresnet26_w10_k2": row(
            wide26.but(copies=2),
            reading="Basic units, 4 per stage, widths 160, 320, 640, and 1x1 projections without BN.",
        ),
        "multiresnet26_w10_k4": row(
            wide26.but(copies=4),
            reading="As multiresnet26_w10_k2, whose count agrees with the paper. The published count of this "
            "network, 154 M, is larger than ours.",
        ),
    },
)
