"""FixedDepth: every step computes exactly so many branches, each equally often; wrong numbers are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cardinet.base.errors import RequestError
from cardinet.blocks.merge import Branch, StochasticDepth
from cardinet.train.job import start
from cardinet.train.listener import Listener
from cardinet.train.methods.fixed_depth import Opening
from cardinet.train.request import Request, resolve
from train.runs_to_compare import DIGITS

SMALL = DIGITS | {"network.id": "resnet20_cifar", "depths": [1, 1, 1], "widths": [4, 8, 16], "stem.width": 4}


def settings(units: int, merge: str = 'StochasticDepth(rule="uniform")') -> tuple[tuple[str, object], ...]:
    chosen = SMALL | {"threads": 1, "methods": f"FixedDepth(units={units})", "merge": merge}
    return tuple(chosen.items())


def test_every_step_computes_exactly_so_many_branches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    forward = StochasticDepth.forward

    def counted(self: StochasticDepth, skip: Tensor, branch: Branch) -> Tensor:
        if self.training:
            calls.append(bool(self.open))
        return forward(self, skip, branch)

    monkeypatch.setattr(StochasticDepth, "forward", counted)
    start(resolve(Request(settings=settings(2), out=tmp_path / "run"), Listener()), Listener())
    steps = [calls[i : i + 3] for i in range(0, len(calls), 3)]
    assert len(steps) > 10
    assert {sum(step) for step in steps} == {2}
    assert len({tuple(step) for step in steps}) == 3


def test_each_unit_is_open_equally_often() -> None:
    merges = [
        StochasticDepth(last=0.4, rule="uniform", per="batch", rescale="test", place=(i, 10)) for i in range(1, 11)
    ]
    opening, opened = Opening(4, merges, seed=3), torch.zeros(10)
    for step in range(3000):
        opening.see(None, step)  # type: ignore[arg-type]
        opened += torch.tensor([float(bool(merge.open)) for merge in merges])
    share = opened / 3000
    assert float((share - 0.4).abs().max()) < 4 * (0.4 * 0.6 / 3000) ** 0.5


@pytest.mark.parametrize(
    ("units", "merge", "said"),
    [(4, 'StochasticDepth(rule="uniform")', "has 3 such units"), (2, "Add()", "no unit that a mini-batch can close")],
)
def test_a_network_that_cannot_is_refused(units: int, merge: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        resolve(Request(settings=settings(units, merge)), Listener())
