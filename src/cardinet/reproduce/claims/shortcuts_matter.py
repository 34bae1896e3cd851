"""Shortcuts matter: Xie et al. 2016, Section 5.1 (arXiv 1611.05431)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

WITH, WITHOUT = "with shortcuts", "without shortcuts"


def arms(scale: ScaleName) -> Arms:
    network = "resnet56_cifar" if scale == "gpu" else "resnet32_cifar"
    return {WITH: Arm(network=network), WITHOUT: Arm(network=network, delta={"shortcut.kind": "none"})}


CLAIM = Claim(
    id="shortcuts-matter",
    chapter="Residual networks",
    statement="Without its shortcuts a residual network errs much more.",
    paper="arXiv 1611.05431, Section 5.1",
    printed=(
        Printed("ResNet-50 with shortcuts and without", "23.9 %, 31.2 %", "printed"),
        Printed("ResNeXt-50 32x4d with shortcuts and without", "22.2 %, 26.1 %", "printed"),
    ),
    experiment="The same residual network is trained with its shortcuts and without any.",
    rule=Less(WITH, WITHOUT, by=0.01),
    arms=arms,
    minutes={"minutes": 2, "hour": 60, "gpu": 60},
    remarks=("The author of the rule has seen a trial at the scale minutes; the rule has stayed as it was before.",),
)
