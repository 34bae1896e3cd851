"""RepVGG's branches help training: Ding et al. 2021 (arXiv 2101.03697)."""

from cardinet.networks.families.repvgg import RepVGG
from cardinet.reproduce.claim import Arm, Arms, Claim
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

BRANCHES, PLAIN = "three branches", "plain"


def arms(scale: ScaleName) -> Arms:
    widths = (32, 64, 128) if scale == "minutes" else (64, 128, 256)
    network = RepVGG(depths=(2, 4, 2), widths=widths)
    size = {"preprocessing.size": 32} if scale == "minutes" else {}
    return {
        BRANCHES: Arm(network=network, settings=size),
        PLAIN: Arm(network=network.but(form="deployment"), settings=size),
    }


CLAIM = Claim(
    id="repvgg-trains-better",
    chapter="Re-parameterisation",
    statement="RepVGG's training form trains to a lower error than the same plain network.",
    paper="arXiv 2101.03697",
    experiment="One network trained in its training form, and trained in its plain form, which has no BN.",
    rule=Less(BRANCHES, PLAIN),
    arms=arms,
    minutes={"minutes": 1, "hour": 60, "gpu": 30},
    remarks=("The plain form is the merged network trained as it is: it has biases and no BN.",),
)
