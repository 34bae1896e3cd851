"""Drop-path makes every column of a FractalNet usable: Larsson et al. 2016 (arXiv 1605.07648)."""

from __future__ import annotations

from cardinet.networks.families.fractalnet import FractalNet
from cardinet.reproduce.claim import Arm, Arms, Claim, Lab, Printed
from cardinet.reproduce.rules import All, Less, Samples
from cardinet.reproduce.scales import ScaleName

WITH, WITHOUT = "with drop-path", "without drop-path"
COLUMNS = ("column 1", "column 2", "column 3, the deepest")


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
            network = run.network()
            assert isinstance(network, Network)
            for c, column in enumerate(COLUMNS):
                found.setdefault(f"{column}, {name}", []).append(error_of(run, network.column(c)))
    return found


CLAIM = Claim(
    id="fractal-columns",
    chapter="Ensembles of paths",
    statement="Drop-path makes every column of a FractalNet usable alone.",
    paper="arXiv 1605.07648",
    printed=(
        Printed("CIFAR-10 without augmentation: FractalNet, with drop-path", "10.18 %, 7.33 %", "second hand"),
        Printed("CIFAR-10 without augmentation: the deepest column alone, with drop-path", "7.27 %", "second hand"),
    ),
    experiment="A FractalNet of three columns is trained with and without drop-path; each column is then tested alone.",
    rule=All(tuple(Less(f"{column}, {WITH}", f"{column}, {WITHOUT}", by=0.05) for column in COLUMNS)),
    arms=arms,
    measure=measure,
    minutes={"minutes": 2, "hour": 120, "gpu": 120},
    remarks=("Two independent implementations did not reach the paper's figures.",),
)
