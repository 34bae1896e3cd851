"""Gradients shatter with depth, and shortcuts slow it: Balduzzi et al. 2017 (arXiv 1702.08591)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab, Printed
from cardinet.reproduce.rules import All, Less, Samples

DEPTHS, DEEP, SHALLOW = (2, 8, 24, 50), 24, 2
LAGS, DRAWS = 15, 20
PLACES = {f"{kind} {depth}": (kind, float(depth)) for kind in ("plain", "residual") for depth in DEPTHS}


def measure(lab: Lab) -> Samples:
    """The mean autocorrelation over 15 lags of the gradient along a line of 256 inputs, for 20 draws of the weights."""
    import torch

    from cardinet.explain.shattering import autocorrelation, scalar_gradients, scalar_network
    from cardinet.reproduce.functions import one_thread

    found: dict[str, list[float]] = {}
    with one_thread(), torch.random.fork_rng():
        for name, (kind, depth) in PLACES.items():
            for seed in range(DRAWS):
                network = scalar_network(int(depth), "plain" if kind == "plain" else "residual", seed=seed)
                correlations = autocorrelation(scalar_gradients(network), LAGS)
                found.setdefault(name, []).append(float(correlations[1:].mean()))
    return found


CLAIM = Claim(
    id="gradients-shatter",
    chapter="Depth",
    statement="Gradients of neighbouring inputs become unlike with depth, and shortcuts slow it.",
    paper="arXiv 1702.08591",
    printed=(Printed("correlation: plain, residual with BN", "like 1 / 2^L, like 1 / sqrt(L)", "second hand"),),
    experiment="Networks of width 200 from a number to a number, with and without shortcuts, as they are initialised.",
    measures="mean autocorrelation of the gradient, lags 1 to 15",
    percent=False,
    rule=All(
        (
            Less(f"plain {DEEP}", f"plain {SHALLOW}", by=0.1),
            Less(f"plain {DEEP}", f"residual {DEEP}", by=0.1),
        )
    ),
    measure=measure,
    axis="layers",
    places=PLACES,
    minutes={"minutes": 1, "hour": 1, "gpu": 1},
)
