"""A grouped convolution lies between the ordinary and the depthwise one: Xie et al. 2016 (arXiv 1611.05431)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab
from cardinet.reproduce.rules import All, Exactly, Samples

WIDTH = 128
ORDINARY, DEPTHWISE, PROPORTION = "cardinality 1 minus ordinary", "full cardinality minus depthwise", "weights x groups"


def measure(lab: Lab) -> Samples:
    import torch
    from torch import nn

    from cardinet.blocks.spatial import grouped

    x = torch.randn(2, WIDTH, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found: dict[str, list[float]] = {}
    for name, groups, peer in (
        (ORDINARY, 1, nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)),
        (DEPTHWISE, WIDTH, nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False, groups=WIDTH)),
    ):
        ours = grouped(WIDTH, WIDTH, 3, 1, False, cardinality=groups).double()
        peer.double().load_state_dict(ours.state_dict())
        found[name] = [float((ours(x) - peer(x)).detach().abs().max())]
    sizes = {
        groups: sum(p.numel() for p in grouped(WIDTH, WIDTH, 3, 1, False, cardinality=groups).parameters())
        for groups in (1, 2, 4, 8, 16, 32, 64, WIDTH)
    }
    found[PROPORTION] = [float(max(size * groups for groups, size in sizes.items()))]
    return found | {f"weights of {groups} groups": [float(size)] for groups, size in sizes.items()}


CLAIM = Claim(
    id="between-ordinary-and-depthwise",
    chapter="Cardinality",
    statement="A grouped convolution is the ordinary one at cardinality 1, the depthwise one at full cardinality.",
    paper="arXiv 1611.05431, Section 3.2",
    experiment="Values and weights of the grouped convolution of 128 channels, with 1 to 128 groups.",
    measures="difference, or number of weights",
    percent=False,
    rule=All((Exactly({ORDINARY: 0, DEPTHWISE: 0, PROPORTION: 9 * WIDTH * WIDTH}),)),
    measure=measure,
    minutes={"minutes": 0.1, "hour": 0.1, "gpu": 0.1},
)
