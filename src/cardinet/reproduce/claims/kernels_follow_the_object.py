"""Selective kernels select by the size of the object: Li et al. 2019 (arXiv 1903.06586)."""

from __future__ import annotations

from cardinet.reproduce.claim import Arm, Arms, Claim, Lab
from cardinet.reproduce.rules import Less, Samples
from cardinet.reproduce.scales import ScaleName

NETWORK = "selective kernels"
ZOOMS = {"as it is": 1.0, "enlarged 1.5 times": 1.5, "enlarged 2 times": 2.0}
PICTURES = 256


def arms(scale: ScaleName) -> Arms:
    depths = (1, 1, 1) if scale == "minutes" else (2, 2, 2)
    delta = {"depths": depths, "base_width": 4, "spatial": "SelectiveKernel(cardinality=16)"}
    return {NETWORK: Arm(network="resnext29_1x64d", delta=delta)}


def measure(lab: Lab) -> Samples:
    """The weight of the largest kernel, as a mean over units, channels and pictures, by enlargement of the pictures."""
    from statistics import fmean

    import torch

    from cardinet.explain.attention_records import enlarge
    from cardinet.explain.attention_sites import recorded
    from cardinet.reproduce.functions import first_test_pictures

    found: dict[str, list[float]] = {name: [] for name in ZOOMS}
    for seed in lab.seeds:
        run = lab.trained(NETWORK, seed)
        network, sites = recorded(run.network())
        pixels = first_test_pictures(run, PICTURES).pixels
        for name, zoom in ZOOMS.items():
            with torch.inference_mode():
                network(enlarge(pixels, zoom))
            found[name].append(fmean(float(site.weights[:, site.largest].mean()) for site in sites))
    return found


CLAIM = Claim(
    id="kernels-follow-the-object",
    chapter="Attention",
    statement="The larger the object, the more weight the larger kernel gets.",
    paper="arXiv 1903.06586",
    experiment="The middle of 256 test pictures is cut out and enlarged, for a trained network with selective kernels.",
    measures="weight of the larger kernel",
    rule=Less("as it is", "enlarged 2 times"),
    arms=arms,
    measure=measure,
    axis="enlargement",
    places={name: (NETWORK, zoom) for name, zoom in ZOOMS.items()},
    minutes={"minutes": 2, "hour": 60, "gpu": 30},
    remarks=("All units of the network count, with those where it need not hold.",),
)
