"""The base networks of a fused network, against networks that are cut out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from cardinet.base.errors import RequestError
from cardinet.blocks.deeply_fused import DeeplyFusedNet
from cardinet.explain.job import explain_model
from cardinet.explain.members import members
from cardinet.explain.questions.fusion import Fusion, length, paths_of
from cardinet.networks.families.deeply_fused import fuse
from cardinet.networks.registry import find
from cardinet.runs.model_file import save_model
from explain.models import classifier, drawn, unchanged

FUSE3 = fuse(8, 3).but(widths=(4, 8, 8), in_channels=1)


@torch.no_grad()
def test_members_are_the_networks_of_one_line_a_block() -> None:
    network = drawn(FUSE3)
    assert isinstance(network, DeeplyFusedNet)
    x, labels = torch.randn(12, 1, 8, 8), torch.arange(12) % 10
    with unchanged(network):
        found = members(
            network, paths_of(network), lambda: [(x[:8], labels[:8]), (x[8:], labels[8:])], None, lambda: None
        )
    assert len(found.probabilities) == 8
    for path, probabilities in found.probabilities.items():
        y = F.relu(network.bn1(network.conv1(x)))  # type: ignore[operator]
        for i, line in enumerate(path, 1):
            y = F.relu(network.get_submodule(f"layer{i}.0").get_submodule(line)(y))
        torch.testing.assert_close(probabilities, network.forward_head(y).double().softmax(1))
    total = torch.stack(list(found.probabilities.values())).sum(0)
    assert found.ensemble_error() == pytest.approx(float((total.argmax(1) != labels).double().mean()))
    last = paths_of(network)[-1]
    others = total - found.probabilities[last]
    expected = float((others.argmax(1) != labels).double().mean()) - found.ensemble_error()
    assert found.contribution(last) == pytest.approx(expected)


def test_lengths_of_base_networks() -> None:
    network = drawn(fuse(26, 3).but(widths=(4, 8, 8)))
    lengths = sorted(length(network, path) for path in paths_of(network))
    assert lengths == [5, 12, 12, 12, 19, 19, 19, 26]  # 2 + j * 8 + (3 - j), with multiplicity C(3, j)
    assert length(network, paths_of(network)[-1]) == 26


@pytest.mark.parametrize("name", ["resnet20_cifar", "fusenet_plain26", "dfn_mr1", "fusenet_resnet110"])
def test_networks_without_a_few_base_networks_are_refused(name: str) -> None:
    assert len(Fusion().problems(drawn(find(name).spec.but(num_classes=2)))) == 1


def test_an_answer_has_all_members_and_ensembles(tmp_path: Path) -> None:
    model = classifier(FUSE3)
    other = tmp_path / "seven.safetensors"
    save_model(other, model)
    found = explain_model("fusion", model, "digits", estimate=200, seven=str(other)).document
    assert len(found["members"]) == 8
    assert len(found["ensembles"]) == 4
    with pytest.raises(RequestError, match="no base network"):
        explain_model("fusion", model, "digits", alone=str(other))
