"""Parts from outside: a gate and merges in one class each; the branch that a merge never calls is not computed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import ClassVar, cast

import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.gates import SqueezeExcite as GateModule
from cardinet.blocks.residual_unit import ResidualUnit
from cardinet.build.binding import resolve
from cardinet.build.builder import build
from cardinet.networks.document import from_document, to_document
from cardinet.networks.part import Part, part
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.registry import find, known_parts
from cardinet.networks.residual import Residual
from inside import inside

RESNET20 = find("resnet20_cifar").spec
PIXELS = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class ScaleModule(nn.Module):
    """x * w, one trained weight per channel."""

    def __init__(self, channels: int, *, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


@part
class Scale:
    start: float = 1.0
    MODULE: ClassVar[str] = f"{__name__}:ScaleModule"


class ClosedModule(nn.Module):
    """The shortcut alone; the branch is never called."""

    def __init__(self, *, place: tuple[int, int]) -> None:
        super().__init__()

    def forward(self, skip: Tensor, branch: Callable[[], Tensor]) -> Tensor:
        return skip


@part
class Closed:
    MODULE: ClassVar[str] = f"{__name__}:ClosedModule"


@part
class Groups:
    """A part with a field of the name of an answer, and with an answer of its own."""

    cardinality: int
    MODULE: ClassVar[str] = f"{__name__}:ScaleModule"

    def problems(self) -> list[str]:
        return ["never"] if self.cardinality > 7 else []


def test_a_part_from_outside_has_the_answers_that_it_lacks() -> None:
    answers = {name for name in vars(Part) if not name.startswith("_")}
    assert len(answers) > 12
    scale, closed, two, three = (
        cast(Part, one) for one in (Scale(), Closed(), Groups(cardinality=2), Groups(cardinality=3))
    )
    for one in (scale, closed, two):
        assert all(hasattr(one, name) for name in answers)
        assert (one.ROLE, one.TRAINING, one.idle(one), one.hinders_new_units(drawing=True)) == (
            "",
            frozenset(),
            frozenset(),
            [],
        )
    assert (scale.cardinality, scale.problems(), scale.plain_when_tested) == (1, [], True)
    assert (two.cardinality, two.problems()) == (2, [])
    assert three.undivided([6, 7], [3]) == [
        "cardinality = 3 does not divide the [7] channels before the spatial convolution; use 1."
    ]


def test_a_part_from_outside_is_judged_as_ours_are() -> None:
    with pytest.raises(RequestError) as error:
        RESNET20.but(spatial=Groups(cardinality=8), kind="none", merge=Closed())
    assert [finding.partition(":")[0] for finding in error.value.findings] == ["never", "merge = Closed"]
    RESNET20.but(spatial=Groups(cardinality=4), gate=Groups(cardinality=1))


def test_fields_of_training_and_idle_ones_are_fields() -> None:
    kinds = [kind for kind in known_parts().values() if kind.TRAINING]
    assert len(kinds) == 10
    assert {field for kind in kinds for field in kind.TRAINING - {f.name for f in dataclasses.fields(kind)}} == set()
    spec = RESNET20.but(kind="B")
    parts = {"": spec, "shortcut.": spec.shortcut, "stem.": spec.stem, "order.": spec.order}
    found = {f"{path}{name}" for path, part in parts.items() for name in part.idle(part)}
    assert found == {"stem.words", "stem.pool", "shortcut.pad", "shortcut.sample", "order.boundary"}


def built(spec: Residual) -> nn.Module:
    torch.manual_seed(0)
    return build(spec)


def test_a_gate_in_one_class() -> None:
    plain, gated = built(RESNET20), built(RESNET20.but(gate=Scale()))
    assert torch.equal(plain.eval()(PIXELS), gated.eval()(PIXELS))
    assert sum(name.endswith("gate.weight") for name in gated.state_dict()) == 9
    gated(PIXELS).sum().backward()
    gradients = [inside(gated, f"layer1.{i}.gate", ScaleModule).weight.grad for i in range(3)]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)
    spec = RESNET20.but(gate=Scale(), start=0.0)
    assert from_document(json.loads(json.dumps(to_document(spec)))) == spec
    silent = built(spec).eval()
    without = built(RESNET20.but(merge=Closed())).eval()
    assert torch.equal(silent(PIXELS), without(PIXELS))


def test_places_of_modules() -> None:
    from cardinet.blocks.gates import SqueezeExcite as Gate

    assert resolve("gates:SqueezeExcite") is Gate
    assert resolve("cardinet.blocks.gates:SqueezeExcite") is Gate
    assert resolve(f"{__name__}:ScaleModule") is ScaleModule
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        resolve("nowhere:Gate")


def test_a_closed_branch_is_not_computed() -> None:
    network = built(RESNET20.but(merge=Closed())).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(PIXELS).sum().backward()
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked"}
    in_units = [p.grad for name, p in network.named_parameters() if name.startswith("layer")]
    assert len(in_units) == 54
    assert all(gradient is None for gradient in in_units)


def test_some_closed_branches_train_beside_open_ones() -> None:
    """The activation must not overwrite what the backward pass of the unit before still needs."""
    network = built(RESNET20).train()
    for i in (1, 2):
        inside(network, f"layer1.{i}", ResidualUnit).merge = ClosedModule(place=(1, 9))
        inside(network, f"layer3.{i}", ResidualUnit).merge = ClosedModule(place=(1, 9))
    network(PIXELS).sum().backward()
    trained = {name for name, p in network.named_parameters() if p.grad is not None}
    assert "layer1.0.conv1.weight" in trained
    assert not any(name.startswith(("layer1.1", "layer3.2")) for name in trained)


def test_squeeze_excite_is_the_formula() -> None:
    torch.manual_seed(0)
    gate = resolve("gates:SqueezeExcite")(8, reduction=4).double().requires_grad_(False)
    x = torch.randn(3, 8, 5, 4, dtype=torch.float64)
    first, second = gate.fc1, gate.fc2
    y = torch.empty_like(x)
    for n in range(3):
        mean = [float(x[n, c].sum()) / 20 for c in range(8)]
        hidden = [
            max(0.0, float(first.bias[j]) + sum(float(first.weight[j, c]) * mean[c] for c in range(8)))
            for j in range(2)
        ]
        for c in range(8):
            total = float(second.bias[c]) + sum(float(second.weight[c, j]) * hidden[j] for j in range(2))
            y[n, c] = x[n, c] / (1 + torch.exp(torch.tensor(-total, dtype=torch.float64)))
    assert (gate(x) - y).abs().max() < 1e-14
    assert resolve("gates:SqueezeExcite")(8, reduction=100).fc1.out_channels == 1


def test_squeeze_excite_stands_behind_the_branch() -> None:
    network = built(find("resnet50").spec.but(gate=SqueezeExcite(reduction=16), depths=(1, 1, 1, 1))).eval()
    unit = inside(network, "layer2.0", ResidualUnit)
    gate = inside(unit, "gate", GateModule)
    x = torch.randn(1, 256, 8, 8).relu()
    expected = torch.relu(unit.downsample(x) + gate(unit.branch(x)))
    assert torch.allclose(unit(x), expected, rtol=0, atol=0)
    assert gate.fc1.weight.shape == (32, 512, 1, 1)
