"""The mean depth of a training with stochastic depth is 3L/4: Huang et al. 2016 (arXiv 1603.09382)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab, Printed
from cardinet.reproduce.rules import Samples, Within

UNITS, DRAWS = 54, 4000
EXPECTED = (3 * UNITS - 1) / 4
OPEN = "mean number of open units of 54"


def measure(lab: Lab) -> Samples:
    """Count the branches that are really computed in training mode, over many mini-batches."""
    import torch

    from cardinet.blocks.merge import StochasticDepth

    x, opened = torch.zeros(1), 0

    def branch() -> torch.Tensor:
        nonlocal opened
        opened += 1
        return x

    merges = [
        StochasticDepth(last=0.5, rule="linear", per="batch", rescale="test", place=(unit, UNITS)).train()
        for unit in range(1, UNITS + 1)
    ]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(DRAWS):
            for merge in merges:
                merge(x, branch)
    return {OPEN: [opened / DRAWS]}


CLAIM = Claim(
    id="stochastic-depth-mean-depth",
    chapter="Depth",
    statement="With survival from 1 to 0.5 a mini-batch trains (3L - 1) / 4 of L units on average.",
    paper="arXiv 1603.09382",
    printed=(
        Printed("open units of 54, on average", "about 40", "printed"),
        Printed("(3L - 1) / 4", f"{EXPECTED:g}", "counted"),
    ),
    experiment=f"The branches that are computed in {DRAWS:,} mini-batches through 54 units, counted.",
    measures="open units",
    percent=False,
    rule=Within(OPEN, EXPECTED - 0.15, EXPECTED + 0.15),
    measure=measure,
    minutes={"minutes": 0.2, "hour": 0.2, "gpu": 0.2},
    remarks=("The standard error of the mean is 0.048 units; the rule allows three.",),
)
