"""Drop-path makes every column of a FractalNet usable: Larsson et al. 2016 (arXiv 1605.07648)."""

from __future__ import annotations

from cardinet.networks.families.fractalnet import FractalNet
from cardinet.reproduce.claim import Arm, Arms, Claim, Lab, Printed
from cardinet.reproduce.rules import Less, Samples
from cardinet.reproduce.scales import ScaleName

WITH, WITHOUT = "with drop-path", "without drop-path"
DEEPEST_WITH, DEEPEST_WITHOUT = "deepest column, with drop-path", "deepest column, without drop-path"


def arms(scale: ScaleName) -> Arms:
    widths = (32, 64, 128) if scale == "minutes" else (64, 128, 256, 512, 512)
    network = FractalNet(widths=widths, dropout=(0,) * len(widths))
    return {WITHOUT: Arm(network=network), WITH: Arm(network=network.but(drop_path=0.15, global_share=0.5))}


def measure(lab: Lab) -> Samples:
    """The error of the whole network and of each column alone."""
    from cardinet.blocks.fractalnet import FractalNet as Network
    from cardinet.reproduce.functions import error_of

    found: dict[str, list[float]] = {}
    for seed in lab.seeds:
        for name in lab.arms:
            run = lab.trained(name, seed)
            found.setdefault(name, []).append(run.error)
            network = run.model().network
            assert isinstance(network, Network)
            for c in range(network.spec.columns):
                depth = "deepest column" if c == network.spec.columns - 1 else f"column {c}"
                found.setdefault(f"{depth}, {name}", []).append(error_of(run, network.column(c)))
    return found


CLAIM = Claim(
    id="fractal-columns",
    chapter="Ensembles of paths",
    statement="With drop-path the deepest column of a FractalNet works alone; without it, it does not.",
    paper="arXiv 1605.07648",
    printed=(Printed("CIFAR-10 without augmentation: FractalNet, with drop-path", "10.18 %, 7.33 %", "printed"),),
    experiment="A FractalNet of three columns is trained with and without drop-path; each column is then tested alone.",
    rule=Less(DEEPEST_WITH, DEEPEST_WITHOUT, by=0.05),
    arms=arms,
    measure=measure,
    minutes={"minutes": 4, "hour": 120, "gpu": 120},
)
