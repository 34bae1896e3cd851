"""More branches or paths at equal parameters: Abdi and Nahavandi 2016 (1609.05672), Zhang et al. 2016 (1608.02908),
Huang et al. 2016 (1608.06993).
"""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import All, Less
from cardinet.reproduce.scales import ScaleName

RESNET, MULTI, DENSE, ROR = "ResNet", "Multi-ResNet", "DenseNet", "RoR"


def arms(scale: ScaleName) -> Arms:
    n = {"minutes": 2, "hour": 4, "gpu": 9}[scale]
    preact = {"order": "e", "shortcut.project": "conv"}
    return {
        RESNET: Arm(network="resnet20_cifar", delta={"depths": (2 * n,) * 3, "kind": "B", **preact}),
        MULTI: Arm(network="resnet20_cifar", delta={"depths": (n,) * 3, "kind": "B", "copies": 2, **preact}),
        ROR: Arm(network="ror3_56", delta={"depths": (2 * n,) * 3}),
        DENSE: Arm(network="densenet_40_12", delta={"depths": ({"minutes": 7, "hour": 10, "gpu": 16}[scale],) * 3}),
    }


CLAIM = Claim(
    id="more-branches-are-better",
    chapter="Ensembles of paths",
    statement="At about equal parameters, networks with more paths (Multi-ResNet, RoR, DenseNet) err less than ResNet.",
    paper="arXiv 1609.05672, 1608.02908, 1608.06993",
    printed=(
        Printed("DenseNet (L = 40, k = 12), 1.0 M parameters; ResNet-110, 1.7 M", "5.24 %, 6.43 %", "printed"),
        Printed("Multi-ResNet-200 (k = 5), 10.2 M; ResNet-1001, 10.3 M", "4.35 %, 4.92 %", "printed"),
    ),
    experiment="Four networks of the same parameters within 10 %.",
    rule=All((Less(MULTI, RESNET), Less(ROR, RESNET), Less(DENSE, RESNET))),
    arms=arms,
    minutes={"minutes": 2, "hour": 240, "gpu": 240},
    remarks=("At equal parameters the DenseNet has 1.7 to 1.8 times the MACs of the others.",),
)
