"""What several processes exchange, as a program; it prints what each process got."""

from __future__ import annotations

import copy
import json
from typing import Any

import torch
from torch import nn

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.blocks.recomputation import recomputing
from cardinet.blocks.shared_draw import shared
from cardinet.blocks.synced_batch_norm import synced
from cardinet.build.builder import build
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import open_source
from cardinet.evaluate.classification import evaluate
from cardinet.evaluate.evaluation_settings import EvaluationSettings
from cardinet.networks.registry import find
from cardinet.runs.ranks import Ranks, connected
from cardinet.train.gradient_sum import average_gradients

SIZES = (5, 2, 4)
"""The parts of a batch, which BN takes as they are."""


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    count = sum(SIZES)
    x = 3 + 2 * torch.randn(count, 4, 3, 5, dtype=torch.float64, generator=draw)
    return x, torch.randn(count, 4, 3, 5, dtype=torch.float64, generator=draw)


def norms(affine: bool) -> nn.Sequential:
    torch.manual_seed(1)
    made = nn.Sequential(nn.BatchNorm2d(4, affine=affine), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, momentum=None))
    return made.double()


def normalised(network: nn.Sequential, x: torch.Tensor, weights: torch.Tensor) -> dict[str, Any]:
    """Two steps: outputs, gradients of the input and of the parameters, running statistics."""
    x = x.clone().requires_grad_()
    for _ in range(2):
        y = network(x)
        (y * weights).sum().backward()
    assert x.grad is not None
    gradients = {name: p.grad for name, p in network.named_parameters()}
    return {"y": y, "x": x.grad, **gradients, **dict(network.named_buffers())}


def changed_by_recomputation(rank: int) -> dict[str, Any]:
    """The gradients and statistics, after two steps of a network that closes units, that recomputation changes."""
    spec = find("sd110_cifar").spec.but(**{"depths": (3, 2, 2), "merge.last": 0.3})
    torch.manual_seed(0)
    network = build(spec).train()
    networks = [network, copy.deepcopy(network)]
    recomputing(networks[1])
    results = []
    for each in networks:
        synced(each)
        draw = torch.Generator().manual_seed(rank)
        torch.manual_seed(100 + rank)
        for _ in range(2):
            each(torch.randn(3, 3, 8, 8, generator=draw)).square().sum().backward()
        gradients = {f"{name}.grad": p.grad for name, p in each.named_parameters() if p.grad is not None}
        results.append({**gradients, **dict(each.named_buffers())})
    one, other = results
    return {"compared": len(one), "changed": [n for n in one | other if not torch.equal(one[n], other[n])]}


def plain(found: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().tolist() for name, tensor in found.items()}


def caught(ranks: Ranks, error: CardinetError | None) -> list[Any]:
    try:
        with ranks.together():
            if error is not None:
                raise error
    except CardinetError as found:
        return [type(found).__name__, list(found.findings)]
    return []


def evaluated(ranks: Ranks, limit: int) -> dict[str, Any]:
    source = open_source("digits", DataSettings(limit=limit))
    torch.manual_seed(0)
    network = build(find("resnext11_8x16d_digits").spec)
    how = EvaluationSettings(batch_size=7)
    about = Preprocessing.model_validate({"channels": 1, "crop": 8, "mean": (0.3,), "std": (0.4,)})
    found = evaluate(network, source.splits["test"], about, 10, how, ranks=ranks)
    return {**found.summary(), "top": found.top.tolist(), "chances": found.top_probabilities.tolist()}


def main() -> None:
    found: dict[str, Any] = {}
    with connected() as ranks:
        x, weights = batch()
        starts = [sum(SIZES[:i]) for i in range(len(SIZES) + 1)]
        mine = slice(starts[ranks.rank], starts[ranks.rank + 1])
        for affine in (True, False):
            network = norms(affine)
            assert synced(network) == 2
            found[f"norms {affine}"] = plain(normalised(network, x[mine], weights[mine]))
        found["recomputation"] = changed_by_recomputation(ranks.rank)
        layer = nn.Linear(3, 2, bias=True)
        layer.weight.grad = torch.full((2, 3), float(ranks.rank)) if ranks.rank else None
        average_gradients(layer, ranks)
        found["gradients"] = [layer.weight.grad.tolist(), layer.bias.grad is None]  # type: ignore[union-attr]
        found["tell"] = ranks.tell({"rank": ranks.rank, "text": "\u00e4" * ranks.rank})
        found["led"] = ranks.led_by(ranks.rank > 0).leader
        found["any"] = ranks.any(ranks.rank == 2, False)
        led = ranks.led_by(ranks.rank == 1)
        own = {"a": torch.arange(3), "b": torch.tensor([True, False]), "c": torch.tensor(0.5, dtype=torch.bfloat16)}
        spread = led.spread_all(own if led.leads else None)
        found["spread"] = {name: [str(t.dtype), t.tolist()] for name, t in spread.items()}
        torch.manual_seed(ranks.rank)
        found["shared"] = [shared(torch.rand(())).item(), shared(torch.rand(4) < 0.5).tolist()]
        found["all refuse"] = caught(ranks, RequestError("no such thing."))
        found["one fails"] = caught(ranks, WorkError("it broke.") if ranks.rank == 2 else None)
        found["none fails"] = caught(ranks, None)
        found["evaluated"] = {str(limit): evaluated(ranks, limit) for limit in (2, 50)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
