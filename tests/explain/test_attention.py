"""The recorded attention against passes written by hand, analysis of variance against scipy, and the question."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import f_oneway
from torch import Tensor

from cardinet.base.errors import RequestError
from cardinet.blocks.gates import SqueezeExcite
from cardinet.blocks.selective_kernel import SelectiveKernel
from cardinet.blocks.split_attention import SplitAttention
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.explain.attention_records import BySize, enlarge, evenness
from cardinet.explain.attention_sites import recorded
from cardinet.explain.class_spread import ClassSpread
from cardinet.explain.job import explain_model
from cardinet.explain.questions.attention import _most_different
from cardinet.explain.request import Request, resolve
from cardinet.networks.spec import NetworkSpec
from explain.models import TINY, classifier, drawn, unchanged
from inside import inside
from networks.small_networks import SMALL

NECK = TINY.but(transform="bottleneck", base_width=64, widths=(8, 8, 8), width=8)
NETWORKS: dict[str, NetworkSpec] = {
    "squeeze-and-excitation": TINY.but(gate="SqueezeExcite(reduction=2)"),
    "selective kernels": NECK.but(spatial="SelectiveKernel(cardinality=2, kernels=[[5, 1], [3, 1], [3, 3]], least=4)"),
    "split attention": NECK.but(spatial="SplitAttention(cardinality=2, radix=2)"),
    "split attention, one split": NECK.but(spatial="SplitAttention(radix=1)"),
}
"""By kind of attention: a network of four units."""


def pixels_of(count: int = 3) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))


# What is recorded


def test_weights_of_gates_are_what_scales_the_branch() -> None:
    network = drawn(NETWORKS["squeeze-and-excitation"])
    made, sites = recorded(network)
    assert [site.unit for site in sites] == ["layer1.0", "layer1.1", "layer2.0", "layer3.0"]
    made(pixels_of())
    gate = inside(network, "layer1.0.gate", SqueezeExcite)
    unit = network.get_submodule("layer1.0")
    branch = unit.branch(network.relu(network.bn1(network.conv1(pixels_of()))))  # type: ignore[operator]
    weights = sites[0].weights
    assert weights.shape == (3, 1, 4)
    torch.testing.assert_close(gate(branch), branch * weights[:, 0, :, None, None])


def test_weights_of_kernels_are_those_of_the_sum() -> None:
    module = inside(drawn(NETWORKS["selective kernels"]), "layer1.0.conv2", SelectiveKernel)
    made, (site,) = recorded(module)
    x = torch.randn(3, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    y = made(x)
    paths = torch.stack([path(x) for path in module.paths], 1)
    assert site.weights.shape == (3, 3, 16)
    torch.testing.assert_close(site.weights.sum(1), torch.ones(3, 16))
    torch.testing.assert_close((paths * site.weights[..., None, None]).sum(1), y)
    assert site.sides == (5, 3, 7)
    assert site.largest == 2


@pytest.mark.parametrize("name", ["split attention", "split attention, one split"])
def test_weights_of_splits_are_those_of_the_sum(name: str) -> None:
    module = inside(drawn(NETWORKS[name]), "layer1.0.conv2", SplitAttention)
    made, (site,) = recorded(module)
    x = torch.randn(3, module.conv.in_channels, 8, 8, generator=torch.Generator().manual_seed(1))
    y = made(x)
    splits = torch.relu(module.bn0(module.conv(x))).unflatten(1, (module.radix, -1))
    assert site.weights.shape == (3, module.radix, module.conv.out_channels // module.radix)
    assert site.choices == module.radix
    torch.testing.assert_close((splits * site.weights[..., None, None]).sum(1), y)


@pytest.mark.parametrize("name", NETWORKS)
def test_recording_changes_neither_the_network_nor_its_answer(name: str) -> None:
    network = drawn(NETWORKS[name])
    with unchanged(network), torch.no_grad():
        made, sites = recorded(network)
        torch.testing.assert_close(made(pixels_of()), network(pixels_of()), rtol=0, atol=0)
    assert len(sites) == 4


def test_number_of_networks_with_attention() -> None:
    assert len(NETWORKS) == 4
    with_attention = [name for name, spec in SMALL.items() if name != "AlexNet" and recorded(drawn(spec))[1]]
    assert with_attention == ["squeeze and excitation", "selective kernels", "split attention"]


# Between classes


def test_spread_between_classes_is_the_analysis_of_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (60,), generator=generator)  # no picture of classes 4 and 5
    values = torch.randn(60, 3, generator=generator) * 1e-3 + 0.5 + labels[:, None] * torch.tensor([0.0, 1e-3, 5e-3])
    spread = ClassSpread(6)
    for part, classes in zip(values.split(7), labels.split(7), strict=True):
        spread.add(part, classes)
    groups = [values[labels == k].double().numpy() for k in range(4)]
    assert spread.ratios.tolist() == pytest.approx(f_oneway(*groups).statistic.tolist(), rel=1e-6)
    for k, group in enumerate(groups):
        assert spread.means[k].tolist() == pytest.approx(group.mean(0).tolist())
    assert spread.means[4:].isnan().all()
    assert spread.mean.tolist() == pytest.approx(values.double().mean(0).tolist())
    within = sum(((group - group.mean(0)) ** 2).sum() for group in groups)
    total = float(((values.double() - values.double().mean(0)) ** 2).sum())
    assert spread.explained == pytest.approx(1 - within / total)
    assert spread.ratio == pytest.approx((total - within) / 3 / (within / 56))


def test_spread_without_variation_or_classes_is_unknown() -> None:
    constant, alone = ClassSpread(3), ClassSpread(3)
    constant.add(torch.full((6, 2), 0.25), torch.tensor([0, 1, 2, 0, 1, 2]))
    assert constant.ratios.isnan().all()
    assert math.isnan(constant.explained)
    alone.add(torch.rand(4, 2), torch.zeros(4).long())
    assert math.isnan(alone.ratio)
    assert alone.explained == 0


def test_evenness_is_the_entropy_of_the_weights() -> None:
    weights = torch.tensor([[[0.5, 1.0, 0.25], [0.5, 0.0, 0.75]]])
    entropy = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert evenness(weights)[0].tolist() == pytest.approx([1, 0, entropy])


def test_enlarged_pictures_show_their_middle() -> None:
    x = torch.arange(64.0).view(1, 1, 8, 8)
    assert torch.equal(enlarge(x, 1), x)
    twice = enlarge(x, 2)
    assert twice.shape == x.shape
    assert float(twice.mean()) == pytest.approx(float(x[..., 2:6, 2:6].mean()))
    assert float(twice[0, 0, 0, 0]) == pytest.approx(float(x[0, 0, 2, 2]))


def test_change_by_size_is_that_of_each_picture() -> None:
    before, after = torch.tensor([0.5, 0.6, 0.7]).double(), torch.tensor([0.6, 0.6, 0.9]).double()
    change, error = BySize("layer1.0", (1, 2), (before, after)).change
    assert change == pytest.approx(0.1)
    assert error == pytest.approx(0.1 / math.sqrt(3))


def test_of_many_classes_those_that_differ_most_are_shown() -> None:
    means = torch.zeros(30, 2)
    means[4], means[17], means[20] = torch.tensor([1.0, 0.0]), torch.tensor([0.0, -2.0]), torch.nan
    assert _most_different(means, 2) == [4, 17]
    assert _most_different(means, 30) == [i for i in range(30) if i != 20]


# The question


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_is_answered(name: str) -> None:
    model = classifier(NETWORKS[name].but(num_classes=10))
    with unchanged(model.network):
        found = explain_model("attention", model, "digits", limit=120, enlarged=8, batch_size=50)
    again = explain_model("attention", model, "digits", limit=120, enlarged=8, batch_size=33)
    first, other = found.document["units"], again.document["units"]
    assert [one["unit"] for one in first] == ["layer1.0", "layer1.1", "layer2.0", "layer3.0"]
    for one, two in zip(first, other, strict=True):
        assert one["kind"] == name.partition(",")[0]
        assert 0 <= one["level"] <= 1
        assert 0 <= one["explained"] <= 1
        assert one["level"] == pytest.approx(two["level"], rel=1e-4)
        assert one["explained"] == pytest.approx(two["explained"], rel=1e-3)
        assert set(one["level_by_class"]) == {str(i) for i in range(10)}
    units = {one["unit"]: one for one in first}
    drawn_map = found.document["map"]
    best = units[drawn_map["unit"]]
    assert best["explained"] == max(one["explained"] for one in first)
    ratios = [best["f_ratio_by_weight"][int(channel)] or 0 for channel in drawn_map["by_channel"]]
    assert ratios == sorted(ratios, reverse=True)
    assert len(found.document["sizes"]) == (4 if name == "selective kernels" else 0)
    json.dumps(found.document)


def test_level_by_class_is_the_mean_over_its_pictures() -> None:
    model = classifier(NETWORKS["squeeze-and-excitation"])
    asked = resolve(Request(question="attention", model=model, data="digits", words=["limit=60"]))
    split = asked.subject.opened.measured.pictures
    found = asked.question.answer(asked.subject)
    made, sites = recorded(asked.subject.network)
    assert split.images is not None
    with torch.no_grad():
        made(model.preprocessing.normalise(split.images))
    levels, labels = sites[2].weights.mean((1, 2)), torch.from_numpy(split.labels)
    for k in labels.unique().tolist():
        assert found.document["units"][2]["level_by_class"][str(k)] == pytest.approx(
            float(levels[labels == k].mean()), rel=1e-4
        )


def test_wrong_requests_are_sentences() -> None:
    with pytest.raises(RequestError) as error:
        resolve(Request(question="attention", model=classifier(), data="digits"))
    assert error.value.findings == (
        "attention: the network has no squeeze-and-excitation, no selective kernels and no split attention to look at.",
        error.value.findings[1],
    )
    assert error.value.findings[1].startswith("Questions for this network: paths, ")
    with pytest.raises(RequestError) as error:
        resolve(Request(question="attention", model="seresnet50", data="digits"))
    assert error.value.findings == (
        '"seresnet50" is the name of a network, without parameters, and "attention" asks about trained ones; give a '
        "run folder, a model file, or --weights.",
    )
    with pytest.raises(RequestError) as error:
        resolve(Request(question="attention", model=classifier(), words=["zooms=2", "enlarged=1"]))
    assert len(error.value.findings) == 5  # two settings, the network and what can be asked of it, the pictures


def pictures_of(digits: Source, rows: Sequence[int]) -> Source:
    """A few pictures as a source of its own."""
    return replace(digits, splits={"test": digits.splits["test"].chosen(np.array(rows, dtype=np.int64))})


def test_what_cannot_be_compared_is_said() -> None:
    model, digits = classifier(NETWORKS["selective kernels"].but(num_classes=10)), open_source("digits", DataSettings())
    alone = explain_model("attention", model, pictures_of(digits, [0])).document["sizes"]
    assert {one["standard_error"] for one in alone} == {None}
    labels = digits.splits["test"].labels
    one_each = [int((labels == k).argmax()) for k in range(10)]
    one_class = np.flatnonzero(labels == 3)[:12].tolist()
    leads = {
        "each": explain_model("attention", model, pictures_of(digits, one_each), enlarged=4).lead[0],
        "class": explain_model("attention", model, pictures_of(digits, one_class), enlarged=4).lead[0],
    }
    with torch.no_grad():
        for name, weights in model.network.named_parameters():
            if name.endswith("conv2.fc2.weight"):
                weights.zero_()
    leads["constant"] = explain_model("attention", model, pictures_of(digits, range(20)), enlarged=4).lead[0]
    nothing = "which says nothing: there is one class, or one picture of each."
    assert leads["each"].endswith(nothing)
    assert leads["class"].endswith(nothing)
    assert leads["constant"] == "The weights of every unit are the same for all pictures."
