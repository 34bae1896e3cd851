"""Stochastic depth trains an ensemble of networks of different depths: Huang et al. 2016 (arXiv 1603.09382)."""

from __future__ import annotations

from cardinet.reproduce.claim import Arm, Arms, Claim, Lab
from cardinet.reproduce.rules import All, Less, Samples
from cardinet.reproduce.scales import ScaleName

STOCHASTIC, CONSTANT = "stochastic depth", "constant depth"
ENSEMBLE = "mean answer of 30 drawn members"
MEMBER, MEMBER_OF_CONSTANT = "one drawn member", "one drawn member, trained at constant depth"
DROPS = {"merge": "StochasticDepth()"}


def arms(scale: ScaleName) -> Arms:
    network = "resnet110_cifar" if scale == "gpu" else "resnet56_cifar"
    return {STOCHASTIC: Arm(network=network, delta=DROPS), CONSTANT: Arm(network=network)}


def measure(lab: Lab) -> Samples:
    """The errors of both networks, of single members (each batch of test pictures has a new draw), and of many."""
    import torch

    from cardinet.blocks.merge import drawing
    from cardinet.build.builder import build
    from cardinet.reproduce.functions import error_of

    found: dict[str, list[float]] = {STOCHASTIC: [], CONSTANT: [], ENSEMBLE: [], MEMBER: [], MEMBER_OF_CONSTANT: []}
    for seed in lab.seeds:
        stochastic, constant = lab.trained(STOCHASTIC, seed), lab.trained(CONSTANT, seed)
        members = stochastic.network()
        of_constant = build(members.spec).to(stochastic.device)
        of_constant.load_state_dict(constant.network().state_dict())
        found[STOCHASTIC].append(stochastic.error)
        found[CONSTANT].append(constant.error)
        found[ENSEMBLE].append(error_of(stochastic, members, passes=30))
        for name, network in ((MEMBER, members), (MEMBER_OF_CONSTANT, of_constant)):
            with torch.random.fork_rng(), drawing(network):
                torch.manual_seed(seed)
                found[name].append(error_of(stochastic, network))
    return found


CLAIM = Claim(
    id="stochastic-depth-is-an-ensemble",
    chapter="Depth",
    statement="Stochastic depth trains an ensemble: its networks of random depth work alone, and better together.",
    paper="arXiv 1603.09382",
    experiment=(
        "Units are dropped in the test as they were in training: once, and 30 times with the answers averaged; once "
        "also in a network that was trained at constant depth."
    ),
    rule=All((Less(ENSEMBLE, MEMBER), Less(MEMBER, MEMBER_OF_CONSTANT, by=0.05))),
    arms=arms,
    measure=measure,
    minutes={"minutes": 2, "hour": 180, "gpu": 60},
    remarks=("The paper says that it is an ensemble, and prints no figure for this.",),
)
