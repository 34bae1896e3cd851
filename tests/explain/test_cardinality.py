"""Transforms that are left out, against the branches of forms a and b; linear CKA against its kernel form."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cardinet.blocks.classifier import Classifier
from cardinet.explain.contributions import contributions
from cardinet.explain.job import explain_model
from cardinet.explain.questions.cardinality import Cardinality
from cardinet.explain.similarity import TermSimilarity
from cardinet.explain.transforms import Transforms, units_with_transforms, with_transforms
from cardinet.networks.registry import find
from cardinet.rewrite.forms import to_form
from explain.models import classifier, drawn, unchanged

SMALL: dict[str, Any] = {"depths": (1, 1, 1), "widths": (8, 8, 8), "stem.width": 8, "base_width": 16, "num_classes": 5}
RESNEXT = find("resnext29_1x64d").spec.but(cardinality=4, **SMALL)
KINDS = {
    "form c": RESNEXT,
    "form a": RESNEXT.but(form="a"),
    "form b": RESNEXT.but(form="b"),
    "gated": RESNEXT.but(gate="SqueezeExcite(reduction=4)"),
    "selective kernels": RESNEXT.but(spatial="SelectiveKernel(cardinality=4)"),
    "split attention": RESNEXT.but(spatial="SplitAttention(cardinality=2, radix=2)"),
    "copies": find("multiresnet200_k5").spec.but(depths=(1, 1, 1), copies=3, num_classes=5),
}


def pixels(count: int = 6) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_the_switches_change_nothing_until_one_is_left_out(kind: str) -> None:
    network = drawn(KINDS[kind])
    x = pixels()
    with unchanged(network):
        made, units = with_transforms(network)
        torch.testing.assert_close(made(x), network(x))
        assert [unit.count for unit in units] == list(units_with_transforms(network).values())
        assert len(units) == 3
        for unit in units:
            outputs = []
            for i in range(unit.count):
                unit.left_out = i
                outputs.append(made(x))
            unit.left_out = None
            assert len({tuple(one.flatten().tolist()) for one in outputs}) == unit.count


@torch.no_grad()
def test_a_transform_of_the_grouped_convolution_is_the_branch_of_form_a() -> None:
    network = drawn(RESNEXT)
    x = pixels()
    form_a = to_form(network, "a")
    made, units = with_transforms(network)
    for unit in units:
        for i in range(unit.count):
            branch: Any = form_a.get_submodule(unit.unit).branches[i]  # type: ignore[index]
            weight, branch.conv3.weight = branch.conv3.weight, nn.Parameter(torch.zeros_like(branch.conv3.weight))
            unit.left_out = i
            torch.testing.assert_close(made(x), form_a(x), rtol=1e-4, atol=1e-5)
            unit.left_out, branch.conv3.weight = None, weight


def by_kernels(x: Tensor, y: Tensor) -> float:
    """Linear CKA by centred Gram matrices over the observations (HSIC), float64."""
    n = len(x)
    centre = torch.eye(n, dtype=torch.float64) - 1 / n
    k, l = (centre @ (one @ one.T) @ centre for one in (x, y))  # noqa: E741 - the paper's letters
    return float((k * l).sum() / ((k * k).sum() * (l * l).sum()).sqrt())


def test_linear_cka_is_that_of_the_terms() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 5, 1, bias=False)
    similarity = TermSimilarity(Transforms("unit", 3, (conv,)))
    outputs = torch.randn(4, 6, 3, 3)
    similarity(outputs[:3])
    similarity(outputs[3:])
    found = similarity.cka()
    terms = []
    for i in range(3):
        kept = torch.zeros_like(outputs)
        kept[:, 2 * i : 2 * i + 2] = outputs[:, 2 * i : 2 * i + 2]
        terms.append(conv(kept).detach().double().permute(0, 2, 3, 1).reshape(-1, 5))
    for i in range(3):
        for j in range(3):
            assert float(found[i, j]) == pytest.approx(by_kernels(terms[i], terms[j]), abs=1e-5)


@torch.no_grad()
def test_contributions_are_those_of_whole_passes() -> None:
    network = drawn(RESNEXT)
    x, labels = pixels(10), torch.arange(10) % 5
    with unchanged(network):
        whole, found = contributions(network, x, labels, batch_size=4)
    assert torch.equal(whole.wrong, network(x).argmax(1) != labels)
    made, units = with_transforms(network)
    for unit, one in zip(units, found, strict=True):
        for i in range(unit.count):
            unit.left_out = i
            loss = nn.functional.cross_entropy(made(x).double(), labels, reduction="none")
            torch.testing.assert_close(one.without.loss[i], loss, rtol=1e-5, atol=1e-6)
        unit.left_out = None


@pytest.mark.parametrize("name", ["resnet20_cifar", "plain20_cifar", "densenet_40_12", "dfn_mr1", "vgg16"])
def test_networks_without_transforms_are_refused(name: str) -> None:
    network: Classifier = drawn(find(name).spec.but(num_classes=2))
    assert len(Cardinality().problems(network)) == 1


def test_an_answer_is_the_same_again() -> None:
    spec = find("resnext11_8x16d_digits").spec
    first, again = (explain_model("cardinality", classifier(spec), "digits", pictures=24) for _ in range(2))
    assert first.document == again.document
    assert [len(unit["loss"]) for unit in first.document["units"]] == [8, 8, 8]
