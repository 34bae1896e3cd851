"""ResRep halves the MACs at little loss: Ding et al. 2020 (arXiv 2007.03260)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

WHOLE, PRUNED = "whole", "half of the MACs"


def arms(scale: ScaleName) -> Arms:
    network = {"minutes": "resnet20_cifar", "hour": "resnet20_cifar", "gpu": "resnet56_cifar"}[scale]
    longer = {"training.length": "24 epochs"} if scale == "minutes" else {}
    return {
        WHOLE: Arm(network=network, settings=longer),
        PRUNED: Arm(network=network, settings=longer | {"methods": "Pruning(keep_macs=0.5)"}),
    }


CLAIM = Claim(
    id="resrep-prunes-half",
    chapter="Re-parameterisation",
    statement="A network loses half of its MACs by ResRep at about the same error.",
    paper="arXiv 2007.03260",
    printed=(Printed("ImageNet: ResNet-50, whole and with 45.5 % of its MACs", "23.85 %, 23.85 %", "printed"),),
    experiment="A residual network trained whole, and trained with ResRep to half of its MACs, for the same epochs.",
    rule=Less(PRUNED, WHOLE, by=-0.02),
    arms=arms,
    minutes={"minutes": 4, "hour": 120, "gpu": 120},
    remarks=("The paper prunes a trained network in a second training; here it is one training of the same length.",),
)
