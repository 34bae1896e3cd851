"""Other classes: what stays keeps its logits, what is new is drawn from a seed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.networks.parts.stem import Stem
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual
from cardinet.rewrite.classes import classes
from cardinet.rewrite.proof import difference
from cardinet.rewrite.steps import REWRITES, Step, apply
from networks.test_citizen import SMALL as FAMILIES
from rewrite.growing import as_its_description_builds_it, pictures, proof, trained

SMALL = Residual(depths=(1, 1), widths=(8, 16), stem=Stem(layout="cifar", width=8), num_classes=4)


def test_rows_are_moved_and_drawn() -> None:
    network = trained(SMALL, 8)
    found: Any = classes(network, [2, -1, 0, 2], seed=3)
    old, new = network.get_submodule("fc"), found.fc
    assert isinstance(old, nn.Linear)
    for i, row in ((0, 2), (2, 0), (3, 2)):
        assert torch.equal(new.weight[i], old.weight[row])
        assert new.bias[i] == old.bias[row]
    assert not (old.weight == new.weight[1]).all(1).any()
    assert found.num_classes == found.spec.num_classes == 4
    assert found.spec == SMALL
    again, other = classes(network, [2, -1, 0, 2], seed=3), classes(network, [2, -1, 0, 2], seed=4)
    assert torch.equal(again.get_parameter("fc.weight"), new.weight)
    changed = (other.get_parameter("fc.weight") != new.weight).any(1)
    assert changed.tolist() == [False, True, False, False]
    x = pictures(network, 8).float()
    with torch.inference_mode():
        before, after = network(x), found(x)
    assert torch.equal(after[:, [0, 2, 3]], before[:, [2, 0, 2]])


def test_what_is_drawn_is_drawn_as_torch_does() -> None:
    network = build(find("resnet18").spec, device="cpu")
    found = classes(network, [-1] * 500).get_parameter("fc.weight")
    bound = 512**-0.5
    assert bound * 0.99 < float(found.detach().abs().max()) <= bound
    assert float(found.detach().mean().abs()) < 1e-3


def test_number_of_families() -> None:
    assert len(FAMILIES) == 25


@pytest.mark.parametrize("id", FAMILIES)
def test_every_family(id: str) -> None:
    """On the meta device, where the structure has to follow from the rows alone."""
    spec = find(id).spec.but(**FAMILIES[id])
    steps = [Step("classes", {"rows": [1, -1, 0]})]
    as_its_description_builds_it(apply(build(spec, device="meta"), steps), spec, steps)


def test_proofs() -> None:
    network = trained(SMALL, 8)
    for rows in ([3, -1, 1], [-1, -1], [0, 1, 2, 3, -1]):
        found = proof(network, Step("classes", {"rows": rows}), 8)
        assert found.float64 <= 1e-10
        assert found.float32 <= 1e-5
    broken = apply(network, [Step("classes", {"rows": [0, -1]})])
    with torch.no_grad():
        broken.get_parameter("fc.weight")[0] += 1
    pair = REWRITES["classes"].same(network, broken, rows=[0, -1], seed=0)
    assert difference(pair.before, pair.after, pictures(network, 8), torch.float64) > 1e-3


def test_kept_as_it_was() -> None:
    network = build(SMALL).to(torch.bfloat16).eval()
    network.requires_grad_(False)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found: Any = classes(network, [1, -1])
    assert found.fc.weight.dtype == torch.bfloat16
    assert not found.training
    assert not found.fc.training
    assert {n for n, p in found.named_parameters() if p.requires_grad} == {"fc.weight", "fc.bias"}
    assert not any(p.requires_grad for p in classes(network, [1, 0]).parameters())
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_refusals() -> None:
    network = build(SMALL)
    with pytest.raises(RequestError) as error:
        classes(network, [4, -2, 0, True, 1.5], seed=-1)  # type: ignore[list-item]
    rows = [text for text in error.value.findings if "the network has rows 0 to 3" in text]
    assert len(rows) == 4
    assert [text for text in error.value.findings if text not in rows] == [
        "seed = -1: give a whole number from 0 to 2^63 - 1."
    ]
    none: list[object] = [[], 3]
    for rows_ in none:
        with pytest.raises(RequestError, match="give a list with the old row of each class"):
            classes(network, rows_)  # type: ignore[arg-type]
    network.reset_classifier(0)
    with pytest.raises(RequestError, match="a linear classifier"):
        classes(network, [-1])
    with pytest.raises(RequestError, match="a linear classifier"):
        classes(nn.Linear(2, 2), [0])
