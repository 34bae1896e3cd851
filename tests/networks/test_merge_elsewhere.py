"""Rules that drop, and gates, in the residual networks of other topologies: Inception-ResNet, fused, merge-and-run."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from cardinet.base.errors import RequestError
from cardinet.blocks.deeply_fused import DeeplyFusedNet, FusedBlock
from cardinet.blocks.inception import Concatenate, ScaledResidual
from cardinet.blocks.merge import Add, Drawn
from cardinet.blocks.merge import StochasticDepth as Rule
from cardinet.blocks.merge_and_run import MergeAndRunBlock
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec, parameters
from cardinet.networks.document import from_document, to_document
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.merge import StochasticDepth, Swapout
from cardinet.networks.registry import NETWORKS, find
from networks.citizen import CHECKS, subject

pytestmark = pytest.mark.long

RESNET = find("inception_resnet_v1").spec
SPECS: dict[str, Any] = {
    "inception": RESNET.but(stages=(RESNET.stages[0][:2], RESNET.stages[1][:3]), num_classes=5),
    "fused": find("dfn_il1").spec.but(depths=(1, 2), widths=(8, 16)),
    "merge-and-run": find("dfn_mr1").spec.but(depths=(1, 2), widths=(8, 16)),
}
SIDE = {"inception": 107}
BLOCKS = (ScaledResidual, FusedBlock, MergeAndRunBlock)


def blocks_of(network: nn.Module) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, BLOCKS)]


def rules_of(network: nn.Module) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, Drawn)]


def pictures(name: str) -> Tensor:
    side = SIDE.get(name, 16)
    return torch.randn(2, 3, side, side)


def input_of(block: Any) -> Any:
    """What enters a block, positive as behind a ReLU."""
    first = next(module for module in block.modules() if isinstance(module, nn.Conv2d))
    x = torch.rand(2, first.in_channels, 6, 6)
    return (x, torch.rand_like(x)) if isinstance(block, MergeAndRunBlock) else x


def first(y: Any) -> Tensor:
    stream: Tensor = y[0] if isinstance(y, tuple) else y
    return stream


@pytest.mark.parametrize("name", SPECS)
def test_places_follow_the_order_of_the_blocks(name: str) -> None:
    network = build(SPECS[name].but(merge=StochasticDepth(last=0.2)), device="meta")
    found = [rule.survival for rule in rules_of(network)]
    count = len(blocks_of(network))
    assert count == {"inception": 4, "fused": 3, "merge-and-run": 3}[name]
    streams = 2 if name == "merge-and-run" else 1
    assert found == pytest.approx([1 - i / count * 0.8 for i in range(1, count + 1) for _ in range(streams)])


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("merge", [StochasticDepth(), StochasticDepth(per="sample", rescale="train"), Swapout()])
def test_a_rule_adds_no_parameter_and_trains(name: str, merge: Any) -> None:
    torch.manual_seed(0)
    plain, spec = SPECS[name], SPECS[name].but(merge=merge)
    assert from_document(to_document(spec)) == spec
    network = build(spec).train()
    assert parameters(network) == parameters(build(plain, device="meta"))
    assert network.state_dict().keys() == build(plain, device="meta").state_dict().keys()
    x = pictures(name)
    seen: set[str] = set()
    for _ in range(12):
        network.zero_grad()
        network(x).square().sum().backward()
        gradients = {key: p.grad for key, p in network.named_parameters() if p.grad is not None}
        assert all(gradient.isfinite().all() for gradient in gradients.values())
        seen |= gradients.keys()
    assert seen == dict(network.named_parameters()).keys()


@pytest.mark.parametrize("name", SPECS)
def test_a_closed_block_is_its_shortcut_and_is_not_computed(name: str) -> None:
    torch.manual_seed(0)
    network = build(SPECS[name].but(merge=StochasticDepth(last=1e-9, rule="uniform"))).train()
    closed = 0
    for block in blocks_of(network):
        x, before = input_of(block), copy.deepcopy(block.state_dict())
        called: list[nn.Module] = []
        deep = [m for n, m in block.named_modules() if isinstance(m, nn.Conv2d) and not n.startswith("shallow")]
        handles = [m.register_forward_hook(lambda m, *_, called=called: called.append(m)) for m in deep]
        y = block(x)
        if isinstance(block, ScaledResidual):
            skip = x
        elif isinstance(block, FusedBlock):
            skip = block.shallow(x)
        else:
            skip = (block.shallow1(x[0]) + block.shallow2(x[1])) / 2
        assert torch.allclose(first(y), relu(skip))
        assert deep
        assert not called
        after = block.state_dict()
        assert all(torch.equal(after[key], before[key]) for key in before if not key.startswith("shallow"))
        for handle in handles:
            handle.remove()
        closed += 1
    assert closed >= 3


@pytest.mark.parametrize("name", SPECS)
def test_testing_takes_the_expectation(name: str) -> None:
    """shortcut + p branch, from what the plain block computes: p times its sum, (1 - p) times its shortcut."""
    torch.manual_seed(0)
    spec = SPECS[name].but(merge=StochasticDepth(last=0.25, rule="uniform"))
    network = build(spec).double().eval()
    for block in blocks_of(network):
        x = input_of(block)
        x = tuple(stream.double() for stream in x) if isinstance(x, tuple) else x.double()
        found = first(block(x))
        sums = []

        class Recorded(Add):
            def forward(self, skip: Tensor, branch: Any) -> Tensor:
                sums.append((skip, branch()))  # noqa: B023 - called within this pass of the loop
                return super().forward(skip, branch)

        for place in [name for name, child in block.named_children() if isinstance(child, Rule)]:
            setattr(block, place, Recorded())
        block(x)
        skip, branch = sums[0]
        assert (found - relu(skip + 0.25 * branch)).abs().max() <= 1e-12 * found.abs().max()


@pytest.mark.parametrize("name", SPECS)
def test_tools_of_the_field(name: str) -> None:
    """Compiled whole in both modes, exported, mapped over samples and differentiated, where every element is drawn."""
    row = find({"inception": "inception_resnet_v1", "fused": "dfn_il1", "merge-and-run": "dfn_mr1"}[name])
    it = subject(row, SPECS[name].but(merge=Swapout()))
    found = {check: CHECKS[check](it) for check in ("compile eval", "compile train", "export", "vmap", "grad eval")}
    assert found == dict.fromkeys(found, "yes") | {"compile train": "finite"}


def test_every_residual_network_of_another_topology_takes_them() -> None:
    """On the meta device, whole; and what has nothing to join says so."""
    kinds = ("InceptionResidual", "DeeplyFused", "MergeAndRun")
    taken, refused = [], []
    for id, row in NETWORKS.items():
        if not any(kind in str(row.spec) for kind in kinds):
            continue
        try:
            spec = row.spec.but(merge=StochasticDepth())
        except RequestError as error:
            refused.append((id, error.findings))
            continue
        assert count_spec(spec, row.input_size).params == count_spec(row.spec, row.input_size).params
        taken.append(id)
    assert len(taken) == 3 + 11
    assert {id for id, _ in refused} == {"dfn_il1_side", "fusenet_plain26"}
    assert all("nothing to join; use Add()" in findings[0] for _, findings in refused)


@pytest.mark.parametrize("id", ["densenet121", "fractalnet20", "highway19_cifar10", "repvgg_a0", "vgg16", "googlenet"])
def test_networks_without_a_shortcut_say_why_they_take_no_rule(id: str) -> None:
    spec = find(id).spec
    with pytest.raises(RequestError) as error:
        spec.but(merge=StochasticDepth())
    assert error.value.findings == (f"{type(spec).__name__} has no merge: {spec.WITHOUT['merge']}",)


def test_an_inception_without_residual_modules_has_nothing_to_join() -> None:
    with pytest.raises(RequestError, match=r"merge = Swapout: no module here has a shortcut to join; use Add\(\)"):
        find("inception_v4").spec.but(merge=Swapout())


def test_a_base_network_of_a_fused_one_has_no_rule() -> None:
    network = build(SPECS["fused"].but(merge=StochasticDepth()))
    assert isinstance(network, DeeplyFusedNet)
    base = network.base(("deep1", "deep2", "shallow"))
    assert type(base.spec.merge).__name__ == "Add"
    assert not rules_of(base)
    x = pictures("fused")
    assert torch.equal(base.train()(x), base(x))
    with pytest.raises(RequestError, match="a base network has one line a block, so there is nothing to join"):
        base.spec.but(merge=StochasticDepth())


@pytest.mark.parametrize("id", ["inception_v3", "inception_resnet_v2", "googlenet"])
def test_a_gate_ends_every_module(id: str) -> None:
    """SENet's counts: 2 C^2 / r + C / r + C for every module of the stages, C its outputs or its branch's."""
    row = find(id)
    plain, gated = row.spec, row.spec.but(gate=SqueezeExcite(reduction=16))
    network = build(gated, device="meta")
    modules = [
        m for chain in network.children() for m in chain.children() if isinstance(m, Concatenate | ScaledResidual)
    ]
    assert len(modules) == {"inception_v3": 11, "inception_resnet_v2": 43, "googlenet": 9}[id]
    added = sum(2 * m.w_out * (m.w_out // 16) + m.w_out // 16 + m.w_out for m in modules)
    assert count_spec(gated, row.input_size).params - count_spec(plain, row.input_size).params == added


def test_a_gate_weighs_the_branch_before_the_scale() -> None:
    torch.manual_seed(0)
    spec = SPECS["inception"].but(gate=SqueezeExcite(reduction=4))
    block = blocks_of(build(spec).double().eval())[0]
    x = torch.rand(2, block.w_out, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        y = block.conv(block.branches(x))
        squeezed = y.mean((2, 3))
        gate = block.gate
        hidden = (squeezed @ gate.fc1.weight[:, :, 0, 0].T + gate.fc1.bias).clamp(min=0)
        weight = torch.sigmoid(hidden @ gate.fc2.weight[:, :, 0, 0].T + gate.fc2.bias)
        expected = (x + block.scale * y * weight[:, :, None, None]).clamp(min=0)
        assert (block(x) - expected).abs().max() <= 1e-12 * expected.abs().max()
