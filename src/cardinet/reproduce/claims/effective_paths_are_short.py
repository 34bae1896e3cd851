"""The effective paths of a residual network are short: Veit et al. 2016 (arXiv 1605.06431)."""

from __future__ import annotations

from cardinet.reproduce.claim import Arm, Arms, Claim, Lab, Printed
from cardinet.reproduce.rules import Less, Samples
from cardinet.reproduce.scales import ScaleName

CARRYING, ALL = "mean length, weighted by gradient", "mean length of all paths"
NETWORK = "residual network"
PICTURES, DRAWS = 32, 8


def arms(scale: ScaleName) -> Arms:
    return {NETWORK: Arm(network="resnet110_cifar" if scale == "gpu" else "resnet56_cifar")}


def measure(lab: Lab) -> Samples:
    """The mean length of the paths, each weighted by the gradient that it carries, after training."""
    from cardinet.explain.path_gradients import gradient_by_length
    from cardinet.reproduce.functions import first_test_pictures

    found: dict[str, list[float]] = {CARRYING: [], ALL: []}
    for seed in lab.seeds:
        run = lab.trained(NETWORK, seed)
        batch, network = first_test_pictures(run, PICTURES), run.network()
        shares = gradient_by_length(network, batch.pixels, batch.labels, draws=DRAWS, seed=seed)
        found[CARRYING].append(sum(one.length * one.share for one in shares))
        found[ALL].append((len(shares) - 1) / 2)
    return found


CLAIM = Claim(
    id="effective-paths-are-short",
    chapter="Ensembles of paths",
    statement="The paths that carry the gradient of a trained residual network are shorter than most of its paths.",
    paper="arXiv 1605.06431",
    printed=(Printed("ResNet-110: lengths with almost all of the gradient", "5 to 17 of 54 units", "second hand"),),
    experiment="The gradient at the picture is sampled by path length, after training.",
    measures="units on a path",
    percent=False,
    rule=Less(CARRYING, ALL),
    arms=arms,
    measure=measure,
    minutes={"minutes": 2, "hour": 90, "gpu": 60},
)
