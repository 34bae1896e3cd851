"""Proof: every rewrite on every network: the same function in float64 and float32, or refused with the reason.

command   PYTHONPATH=tests python proofs/rewrites.py [PATTERN ...] [--results FILE] [--seconds N]
expected  a row a network with the largest relative difference of the logits in float64 / float32, "-" where a rewrite
          does not apply, no "FAIL", and exit code 0; `rounding` is how far the network lies from itself in float64
time      2 to 60 s a network on a CPU core; --results keeps the rows, so that it can be run in parts

The networks have BN statistics from a few pictures and see two pictures as small as they take. `classes` keeps two
of the classes beside a new one, `channels` is grey instead of colour or the reverse, `deeper` has one unit more in the
first stage, `wider` a quarter more channels; `narrowed` stands for the compactors of a pruning run with some rows at
zero, merged and narrowed.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from cardinet.base.errors import CardinetError, RequestError
from cardinet.networks.family import Named
from cardinet.networks.residual import Residual
from cardinet.rewrite.narrow import compact, compactors, merge_compactors
from cardinet.rewrite.proof import prove as prove_step
from cardinet.rewrite.steps import Step
from networks.citizen import Subject, subject
from table import FAIL, arguments, prove

STEPS = {
    "strip": [Step("strip")],
    "form b": [Step("form", {"form": "b"})],
    "form a": [Step("form", {"form": "a"})],
    "merge": [Step("merge_branches")],
    "fold": [Step("strip"), Step("fold")],
    "pack": [Step("pack", {"width": 32})],
    "unpack": [Step("pack", {"width": 32}), Step("unpack")],
    "classes": [Step("classes", {"rows": [3, -1, 0], "seed": 0})],
}
ROUNDING, NARROWED, DEEPER, WIDER, CHANNELS = "rounding", "narrowed", "deeper", "wider", "channels"
COLUMNS = [ROUNDING, *STEPS, CHANNELS, DEEPER, WIDER, NARROWED]
NOT_HERE = "-"
CALIBRATED = 16
"""Pictures in a batch from which BN has its statistics: of two, the variances of small maps are next to nothing."""

EXACT, SINGLE, TIMES = 1e-10, 1e-5, 4
"""What may differ in float64, and in float32: there more where the network as it is rounds by a fourth of that."""


def cells(row: Named) -> dict[str, str]:
    """What each rewrite says of a network."""
    it = subject(row, pictures=CALIBRATED)
    spec = it.network.spec
    steps = STEPS | {CHANNELS: [Step("in_channels", {"channels": 4 - spec.in_channels})]}
    if isinstance(spec, Residual):
        first, *others = spec.depths
        steps[DEEPER] = [Step("deepen", {"depths": [first + 1, *others], "seed": 0})]
        steps[WIDER] = [Step("widen", {"widths": [width + width // 4 for width in spec.widths], "seed": 0})]
    rounding = difference(copy.deepcopy(it.network).double(), it.network, it.x)
    found = {ROUNDING: f"{rounding:.0e}"} | {name: _cell(it, own, rounding) for name, own in steps.items()}
    return found | {NARROWED: _narrowed(it)}


def difference(before: nn.Module, after: nn.Module, x: Tensor) -> float:
    """The largest difference of the logits of two networks, each in its own precision, relative to the largest."""
    with torch.no_grad():
        expected, found = (net.eval()(x.to(next(net.parameters()).dtype)).double() for net in (before, after))
    return float((found - expected).abs().max() / expected.abs().max())


def _cell(it: Subject, steps: list[Step], rounding: float) -> str:
    network: nn.Module = it.network
    worst = {"float64": 0.0, "float32": 0.0}

    def pictures(channels: int) -> dict[str, Tensor]:
        return {
            "random": it.x if channels == it.x.shape[1] else it.x.mean(1, keepdim=True).expand(-1, channels, -1, -1)
        }

    try:
        for step in steps:
            one = prove_step(network, step, pictures)
            network = one.network
            for precision in worst:
                worst[precision] = max(worst[precision], getattr(one.proofs["random"], precision))
    except RequestError:
        return NOT_HERE
    except CardinetError as error:
        return f"{FAIL} {error.findings[0]}"
    return _judged(worst, rounding)


def _narrowed(it: Subject) -> str:
    """Compactors whose rows are changed, a third of them closed, against the narrowed network."""
    try:
        compacted = compact(copy.deepcopy(it.network).double())
    except RequestError:
        return NOT_HERE
    torch.manual_seed(0)
    with torch.no_grad():
        for compactor in compactors(compacted).values():
            compactor.weight += 0.02 * torch.randn_like(compactor.weight)
            compactor.weight[: compactor.out_channels // 3] = 0
    small, _ = merge_compactors(compacted)
    return _judged({"float64": difference(compacted, small, it.x), "float32": 0.0}, 0.0)


def _judged(worst: dict[str, float], rounding: float) -> str:
    cell = f"{worst['float64']:.0e}/{worst['float32']:.0e}"
    good = worst["float64"] <= EXACT and worst["float32"] <= max(SINGLE, TIMES * rounding)
    return cell if good else f"{FAIL} {cell}"


def main() -> int:
    options = arguments("Prove every rewrite on every network.").parse_args()
    return prove(options, COLUMNS, cells, not_here=NOT_HERE)


if __name__ == "__main__":
    raise SystemExit(main())
