"""Transforms that are left out, against the branches of forms a and b; linear CKA against its kernel form."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from breadth import breadth
from cardinet.blocks.branches import SummedUnit
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.repvgg import Block, DeploymentBlock
from cardinet.blocks.split_attention import SplitAttention
from cardinet.explain.contributions import contributions
from cardinet.explain.job import explain_model
from cardinet.explain.questions.cardinality import Cardinality
from cardinet.explain.similarity import TermSimilarity
from cardinet.explain.transforms import Transforms, units_with_transforms, with_transforms
from cardinet.networks.families.repvgg import RepVGG
from cardinet.networks.parts.levels import Levels
from cardinet.networks.registry import find
from cardinet.networks.spec import NetworkSpec
from cardinet.rewrite.forms import to_form
from cardinet.rewrite.packing import pack
from explain.models import classifier, drawn, unchanged

SMALL: dict[str, Any] = {"depths": (1, 1, 1), "widths": (8, 8, 8), "stem.width": 8, "base_width": 16, "num_classes": 5}
RESNEXT = find("resnext29_1x64d").spec.but(cardinality=4, **SMALL)
GROUPED = find("resnet20_cifar").spec.but(depths=(1, 1, 1), widths=(8, 8, 16), width=8, cardinality=2)
KINDS: dict[str, NetworkSpec] = {
    "form c": RESNEXT,
    "form a": RESNEXT.but(form="a"),
    "form b": RESNEXT.but(form="b"),
    "gated": RESNEXT.but(gate="SqueezeExcite(reduction=4)"),
    "selective kernels": RESNEXT.but(spatial="SelectiveKernel(cardinality=4)"),
    "split attention": RESNEXT.but(spatial="SplitAttention(cardinality=2, radix=2)"),
    "split attention of one group": RESNEXT.but(spatial="SplitAttention(cardinality=1, radix=2)"),
    "split attention after the pool": RESNEXT.but(spatial="SplitAttention(cardinality=2, radix=2, pool=before)"),
    "copies": find("multiresnet200_k5").spec.but(depths=(1, 1, 1), copies=3, num_classes=5),
    "copies of a basic unit": find("multiresnet26_w10_k2").spec.but(depths=(1, 1, 1), widths=(8, 8, 8)),
    "read by a 3x3": GROUPED,
    "within levels": GROUPED.but(levels=Levels()),
    "RepVGG": RepVGG(depths=(2, 2, 2), widths=(8, 8, 8), cardinality=2),
    "RepVGG, merged": RepVGG(depths=(2, 2, 2), widths=(8, 8, 8), cardinality=2, form="deployment"),
}
assert len(KINDS) == 14


def pixels(count: int = 6) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_transform_that_is_left_out_is_one_whose_weights_are_zero(kind: str) -> None:
    network = drawn(KINDS[kind]).double()
    x = pixels(3).double()
    with unchanged(network):
        made, units = with_transforms(network)
        assert torch.equal(made(x), network(x))
        assert [unit.count for unit in units] == list(units_with_transforms(network).values())
        assert len(units) == 3
        for unit in units:
            for i in range(unit.count):
                unit.left_out = i
                torch.testing.assert_close(made(x), edited(network, unit, i)(x), rtol=0, atol=1e-12)
            unit.left_out = None
    assert not torch.allclose(edited(network, units[0], 0)(x), network(x))


def edited(network: Classifier, transforms: Transforms, index: int) -> Classifier:
    """A copy of the network in which the weights of one transform are zero."""
    made = copy.deepcopy(network)
    unit: Any = made.get_submodule(transforms.unit)
    if hasattr(unit, "copies"):
        last = unit.copies[index].get_submodule(unit.copies[index].steps[-1][-1])
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)
    elif isinstance(unit, SummedUnit):
        nn.init.zeros_(made.get_parameter(f"{transforms.unit}.branches.{index}.conv3.weight"))
    elif isinstance(unit, Block):
        kind = nn.Conv2d if isinstance(unit, DeploymentBlock) else nn.BatchNorm2d
        for layer in unit.children():
            if isinstance(layer, kind):
                part = slice(index * 8 // transforms.count, (index + 1) * 8 // transforms.count)
                layer.weight[part], layer.bias[part] = 0, 0  # type: ignore[index]
    elif isinstance(getattr(unit, "conv2", None), SplitAttention):
        unit.conv2 = OtherSplits(unit.conv2, index)
    else:
        weight = (unit.conv3 if hasattr(unit, "conv3") else unit.conv2).weight
        width = weight.shape[1] // transforms.count
        weight[:, index * width : (index + 1) * width] = 0
    return made


class OtherSplits(nn.Module):
    """Split attention, group by group and split by split, without one split of one group."""

    def __init__(self, attention: SplitAttention, without: int) -> None:
        super().__init__()
        self.attention, self.without = attention, without

    def forward(self, x: Tensor) -> Tensor:
        a: Any = self.attention
        x = x if a.pool_before is None else a.pool_before(x)
        splits = torch.relu(a.bn0(a.conv(x))).chunk(a.radix, 1)
        hidden = torch.relu(a.bn1(a.fc1(torch.stack(splits).sum(0).mean((2, 3), keepdim=True))))
        logits = a.fc2(hidden).chunk(a.cardinality, 1)
        y = torch.zeros_like(splits[0])
        for k, (group, of_group) in enumerate(zip(y.chunk(a.cardinality, 1), logits, strict=True)):
            shares = torch.stack(of_group.chunk(a.radix, 1)).softmax(0)
            for r, split in enumerate(splits):
                if r * a.cardinality + k != self.without:
                    group += split.chunk(a.cardinality, 1)[k] * shares[r]
        return y if a.pool_after is None else cast(Tensor, a.pool_after(y))


@torch.no_grad()
@pytest.mark.parametrize(
    "kind", breadth(KINDS, "split attention", "selective kernels", "form a", "split attention after the pool", "form b")
)
def test_similarity_is_that_of_what_each_transform_adds(kind: str) -> None:
    made, units = with_transforms(drawn(KINDS[kind]).double())
    for unit in units:
        similarity, heard = TermSimilarity(unit), list[Tensor]()
        unit.listener = heard.append
        made(pixels(3).double())
        similarity(heard[0])
        terms = [added(unit, i, part) for i, part in enumerate(heard[0].chunk(unit.count, 1))]
        right = torch.tensor([[by_kernels(x, y) for y in terms] for x in terms], dtype=torch.float64)
        torch.testing.assert_close(similarity.cka(), right, rtol=0, atol=1e-9, equal_nan=True)


def added(unit: Transforms, index: int, output: Tensor) -> Tensor:
    """What a transform adds to the sum of its unit: (positions, channels)."""
    if len(unit.readers) > 1:
        output = unit.readers[index](output)
    elif unit.readers:
        (reader,), width = unit.readers, output.shape[1]
        first = index % (unit.count // unit.repeats) * width
        behind = reader.in_channels - first - width
        output = reader(nn.functional.pad(output, (0, 0, 0, 0, first, behind)))
    return output.permute(0, 2, 3, 1).flatten(0, 2)


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


@pytest.mark.parametrize("width", [8, 1024])
@pytest.mark.parametrize("kind", ["form c", "gated", "selective kernels", "split attention"])
def test_packed_groups_are_asked_one_by_one(kind: str, width: int) -> None:
    """A pack of several transforms is no transform; the packed network is the same function."""
    model = classifier(KINDS[kind].but(in_channels=1, num_classes=10), side=16)
    packed = replace(model, network=pack(model.network, width))
    assert isinstance(packed.network, Classifier)
    assert Cardinality().problems(packed.network) == []
    with unchanged(packed.network):
        found, expected = (explain_model("cardinality", one, "digits", pictures=8).document for one in (packed, model))
    assert [len(unit["loss"]) for unit in found["units"]] == [len(unit["loss"]) for unit in expected["units"]]
    for one, other in zip(found["units"], expected["units"], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
        assert one["alike"] == pytest.approx(other["alike"], abs=1e-4)
