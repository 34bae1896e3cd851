"""A grouped convolution lies between the ordinary and the depthwise one: Xie et al. 2016 (arXiv 1611.05431)."""

from __future__ import annotations

from cardinet.reproduce.claim import Arm, Arms, Claim, Lab, errors_in_test
from cardinet.reproduce.rules import All, Exactly, Less, Samples
from cardinet.reproduce.scales import ScaleName

WIDTH = 128
"""The channels of the counted convolution."""
CARDINALITIES = (1, 2, 4, 8, 16, 32, 64, WIDTH)
ORDINARY, DEPTHWISE = "difference from the ordinary convolution", "difference from the depthwise convolution"
ERRORS = {1: "error with 1 group", 8: "error with 8 groups", 64: "error with 64 groups"}
"""Each trained network by its cardinality in the stage of width 64, where 64 groups have one channel each."""


def weights(groups: int) -> str:
    return f"weights of {groups} group{'s' * (groups > 1)}"


def arms(scale: ScaleName) -> Arms:
    base = {"depths": (1, 1, 1) if scale == "minutes" else (2, 2, 2)}
    return {
        name: Arm(network="resnext29_1x64d", delta=base | {"cardinality": groups, "base_width": 64 // groups})
        for groups, name in ERRORS.items()
    }


def measure(lab: Lab) -> Samples:
    """Differences of values and shares of weights of one layer, and the test errors of the networks."""
    import torch
    from torch import nn

    from cardinet.blocks.spatial import grouped

    x = torch.randn(2, WIDTH, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found: dict[str, list[float]] = {}
    for name, groups in ((ORDINARY, 1), (DEPTHWISE, WIDTH)):
        ours = grouped(WIDTH, WIDTH, 3, 1, False, cardinality=groups).double()
        peer = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False, groups=groups).double()
        peer.load_state_dict(ours.state_dict())
        found[name] = [float((ours(x) - peer(x)).detach().abs().max())]
    for groups in CARDINALITIES:
        layer = grouped(WIDTH, WIDTH, 3, 1, False, cardinality=groups)
        found[weights(groups)] = [sum(p.numel() for p in layer.parameters()) / (9 * WIDTH * WIDTH)]
    return {**found, **errors_in_test(lab)}


CLAIM = Claim(
    id="between-ordinary-and-depthwise",
    chapter="Cardinality",
    statement="A grouped convolution lies between the ordinary one (cardinality 1) and the depthwise one.",
    paper="arXiv 1611.05431",
    experiment=(
        "Values and weights of a convolution of 128 channels with 1 to 128 groups; the error of a bottleneck network "
        "of one inner width with 1, 8 and 64 groups."
    ),
    measures="test error, or share of the weights of the ordinary convolution",
    rule=All(
        (
            Exactly({ORDINARY: 0, DEPTHWISE: 0} | {weights(groups): 1 / groups for groups in CARDINALITIES}),
            Less(ERRORS[1], ERRORS[8], by=-0.01),
            Less(ERRORS[8], ERRORS[64], by=-0.01),
        )
    ),
    arms=arms,
    measure=measure,
    bars=tuple(ERRORS.values()),
    minutes={"minutes": 4, "hour": 90, "gpu": 90},
    remarks=(
        "The paper compares groups at equal cost; here the width is equal, so that more groups are a smaller network.",
        "The error may fall by up to 1 point where the rule expects it to rise.",
    ),
)
