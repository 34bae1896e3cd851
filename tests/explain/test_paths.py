"""The question `paths`: gradients against explicit sums over paths, what it says of each network, wrong requests."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cardinet.base.errors import RequestError, WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.residual_unit import ResidualUnit
from cardinet.cli.main import outcome
from cardinet.explain.batch_norm import reestimated, statistics_batches
from cardinet.explain.figures import Bars
from cardinet.explain.job import explain_model
from cardinet.explain.path_gradients import (
    carrying_range,
    gradient_by_length,
    gradient_through,
    has_path_gradients,
    mean_norm,
)
from cardinet.explain.questions import QUESTIONS, settings_of
from cardinet.explain.request import Request, resolve
from cardinet.explain.switches import replica, switched
from cardinet.networks.families.deeply_fused import DeeplyFused, fuse
from cardinet.networks.families.densenet import DenseNet
from cardinet.networks.families.fractalnet import FractalNet
from cardinet.networks.families.highway import Highway
from cardinet.networks.families.merge_and_run import MergeAndRun
from cardinet.networks.families.repvgg import RepVGG
from cardinet.networks.parts.levels import Levels
from cardinet.networks.registry import NETWORKS, find
from cardinet.networks.spec import NetworkSpec
from cardinet.runs.model_file import Model
from explain.models import TINY, classifier, drawn, unchanged, without_norms


def batch(count: int = 3, side: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(count, 1, side, side, generator=generator, dtype=torch.float64)
    return pixels, torch.arange(count) % 10


# Gradients by length


def test_gradients_of_a_linear_network_are_those_of_its_paths() -> None:
    """Without BN and ReLU each choice of sides is one path, and its gradient that of the path alone."""
    network = without_norms(drawn(TINY)).double()
    pixels, labels = batch()
    made, named = switched(network)
    switches = list(named.values())
    assert len(switches) == 4
    logits = network(pixels)
    of_loss = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), logits)[0]
    total, whole = torch.zeros_like(pixels), pixels.clone().requires_grad_()
    for choice in itertools.product((False, True), repeat=4):
        chosen = {i for i, branch in enumerate(choice) if branch}
        found = gradient_through(made, switches, chosen, pixels, labels)
        torch.testing.assert_close(found, along(network, chosen, pixels, of_loss))
        total = total + found
    loss = F.cross_entropy(network(whole), labels, reduction="sum")
    torch.testing.assert_close(total, torch.autograd.grad(loss, whole)[0])


def along(network: Classifier, chosen: set[int], pixels: Tensor, of_logits: Tensor) -> Tensor:
    """The gradient of one path: each unit is only its branch, or only its shortcut."""
    x = pixels.clone().requires_grad_()
    h = network.get_submodule("relu")(network.get_submodule("conv1")(x))
    units = [module for module in network.modules() if isinstance(module, ResidualUnit)]
    for i, unit in enumerate(units):
        h = unit.branch(h) if i in chosen else unit.downsample(h)
    logits = network.fc(h.mean((2, 3)))
    bias = network.get_parameter("fc.bias")
    return torch.autograd.grad(((logits - bias) * of_logits).sum(), x)[0]


def test_norms_of_each_length_are_those_of_all_its_choices() -> None:
    network = without_norms(drawn(TINY)).double()
    pixels, labels = batch()
    made, named = switched(network)
    with unchanged(network):
        found = gradient_by_length(network, pixels, labels, draws=200, seed=3)
    assert [one.length for one in found] == [0, 1, 2, 3, 4]
    assert [one.paths for one in found] == [1, 4, 6, 4, 1]
    weights = []
    for one in found:
        sets = [set(chosen) for chosen in itertools.combinations(range(4), one.length)]
        norms = [mean_norm(gradient_through(made, list(named.values()), chosen, pixels, labels)) for chosen in sets]
        assert {round(norm, 9) for norm in one.norms} == {round(norm, 9) for norm in norms}  # 200 draws meet all six
        weights.append(one.mean * len(sets))
    assert [one.share for one in found] == pytest.approx([weight / sum(weights) for weight in weights])
    low, high, share = carrying_range(found, 0.5)
    assert share == pytest.approx(sum(one.share for one in found if low <= one.length <= high))
    assert share >= 0.5


def test_switches_of_gradients_leave_the_values() -> None:
    network = drawn(TINY).double()
    pixels, _ = batch()
    made, named = switched(network)
    with torch.no_grad():
        right = network(pixels)
        for side in ("both", "branch", "shortcut"):
            for switch in named.values():
                switch.gradients = side
            assert torch.equal(made(pixels), right)


def test_units_without_a_shortcut_are_on_every_path() -> None:
    spec = TINY.but(kind="identity")  # the only units of stages 2 and 3 change the shape
    found = gradient_by_length(drawn(spec), *float_batch(), draws=2, seed=0)
    assert [one.length for one in found] == [2, 3, 4]
    assert [one.paths for one in found] == [1, 2, 1]


def float_batch() -> tuple[Tensor, Tensor]:
    pixels, labels = batch()
    return pixels.float(), labels


def test_paths_through_copies_are_counted_one_by_one() -> None:
    found = gradient_by_length(drawn(TINY.but(copies=2)), *float_batch(), draws=2, seed=0)
    assert [one.paths for one in found] == [1, 8, 24, 32, 16]


def test_draws_come_from_the_seed_alone() -> None:
    network = drawn(TINY)
    first, again, other = (gradient_by_length(network, *float_batch(), draws=3, seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_norms_do_not_depend_on_the_batches() -> None:
    network = drawn(TINY).double()
    whole, parts = (gradient_by_length(network, *batch(5), draws=2, seed=0, batch_size=size) for size in (None, 2))
    for one, other in zip(whole, parts, strict=True):
        assert one.norms == pytest.approx(other.norms)


def test_gradients_without_a_finite_value_are_refused() -> None:
    network = drawn(TINY)
    torch.nn.init.constant_(network.get_parameter("fc.weight"), torch.inf)
    with pytest.raises(WorkError, match="not a finite number"):
        gradient_by_length(network, *float_batch(), draws=1, seed=0)


CHAINS: dict[str, tuple[NetworkSpec, bool]] = {
    "residual": (TINY, True),
    "no shortcuts": (TINY.but(kind="none"), False),
    "levels": (TINY.but(levels=Levels()), False),
    "fused": (fuse(8, 3), True),
    "inception-like": (DeeplyFused(depths=(1, 1, 1), branches=2), False),
    "merge-and-run": (MergeAndRun(depths=(1, 1, 1)), False),
    "DenseNet": (DenseNet(depths=(2, 2), growth=4, stem="cifar", stem_width=8), False),
    "Highway": (Highway(depths=(2, 1), widths=(4, 4), pools=(2, 0), dropout=(0, 0, 0)), False),
    "RepVGG, only two branches a block": (RepVGG(depths=(1, 1), widths=(4, 8)), False),
    "FractalNet": (FractalNet(columns=2, widths=(4,), dropout=(0,)), False),
    "VGG": (find("vgg16").spec.but(depths=(1, 1), widths=(4, 4)), False),
}


@pytest.mark.parametrize("name", CHAINS)
def test_networks_whose_gradient_is_measured_by_length(name: str) -> None:
    spec, measured = CHAINS[name]
    network = drawn(spec)
    assert has_path_gradients(network, spec.path_graph()) is measured
    if measured:
        lengths = gradient_by_length(
            network, torch.zeros(1, spec.in_channels, 8, 8), torch.zeros(1).long(), draws=1, seed=0
        )
        assert len(lengths) > 1


def test_number_of_chains() -> None:
    assert len(CHAINS) == 11


# Statistics of BN


def test_statistics_estimated_again_are_the_averages_over_the_batches() -> None:
    network = drawn(TINY)
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(4, 1, 8, 8, generator=generator) for _ in range(3)]
    with unchanged(network):
        made = reestimated(network, iter(batches))
    first = made.get_submodule("bn1")
    outputs = [network.get_submodule("conv1")(pixels) for pixels in batches]
    means = torch.stack([y.mean((0, 2, 3)) for y in outputs]).mean(0)
    variances = torch.stack([y.var((0, 2, 3)) for y in outputs]).mean(0)
    torch.testing.assert_close(first.running_mean, means)
    torch.testing.assert_close(first.running_var, variances)
    assert not any(module.training for module in made.modules())
    assert all(a is b for a, b in zip(network.parameters(), made.parameters(), strict=True))
    assert not any(a is b for a, b in zip(network.buffers(), made.buffers(), strict=True))
    with pytest.raises(WorkError, match="at least 2 pictures"):
        reestimated(network, [torch.zeros(1, 1, 1, 1)])


def test_batches_of_statistics_are_nearly_equal() -> None:
    assert [len(part) for part in statistics_batches(torch.zeros(129, 1))] == [65, 64]
    assert [len(part) for part in statistics_batches(torch.zeros(5, 1))] == [5]


def test_a_replica_shares_its_parameters_and_buffers_and_no_module() -> None:
    network = drawn(TINY)
    made = replica(network)
    assert all(a is b for a, b in zip(network.parameters(), made.parameters(), strict=True))
    assert all(a is b for a, b in zip(network.buffers(), made.buffers(), strict=True))
    assert all(a is not b for a, b in zip(network.modules(), made.modules(), strict=True))


# The answer


@pytest.fixture(scope="module")
def tiny() -> Model:
    return classifier()


def test_the_answer_is_that_of_its_parts_and_leaves_the_model(tiny: Model) -> None:
    with unchanged(tiny.network):
        found = explain_model("paths", tiny, "digits", pictures=8, draws=2)
        again = explain_model("paths", tiny, "digits", pictures=8, draws=2)
    assert found == again
    document = found.document
    assert document["by_length"] == {"0": 1, "1": 4, "2": 6, "3": 4, "4": 1}
    assert (document["paths"], document["mean"], document["deviation"]) == (16, 2, 1)
    assert [one["length"] for one in document["gradients"]] == [0, 1, 2, 3, 4]
    assert sum(one["share"] for one in document["gradients"]) == pytest.approx(1)
    assert [section.title for section in found.sections][-1] == "Which paths carry the gradient"
    assert (
        explain_model("paths", tiny, "digits", pictures=8, draws=2, seed=1).document["gradients"]
        != document["gradients"]
    )
    json.dumps(document)


def test_what_cannot_be_measured_is_said(tiny: Model) -> None:
    without = explain_model("paths", tiny)
    assert "gradients" not in without.document
    assert "The gradient by length is not measured: it needs pictures; name them." in without.limits
    fractal = explain_model("paths", classifier(CHAINS["FractalNet"][0].but(in_channels=1)), "digits")
    assert "The gradient by length is measured only in a chain of units with one shortcut each." in fractal.limits


def test_every_kind_of_network_is_answered() -> None:
    kinds = {type(row.spec): id for id, row in NETWORKS.items() if row.input_size <= 32}
    ids = {*kinds.values(), "dfn_mr1"}
    found = [explain_model("paths", id) for id in ids]
    assert len(found) == 7
    assert all(answer.document["paths"] >= 1 for answer in found)
    printed = explain_model("paths", "dfn_mr1", by="layers").document["measures"]
    assert [row["measured by"] for row in printed] == [
        *(names := ["branches", "layers", "layers, projections too"]),
        *(f"{name}, as printed" for name in names),
    ]


def test_networks_without_units_are_measured_by_layers() -> None:
    found = explain_model("paths", "googlenet", by="units")
    assert found.document["by"] == "layers"
    assert [row["measured by"] for row in found.document["measures"]] == ["layers", "layers, projections too"]


def test_a_network_by_its_name_has_the_statistics_of_the_pictures() -> None:
    found = explain_model("paths", "resnet20_cifar", "digits", pictures=4, draws=1)
    assert any("at the start of a training" in limit for limit in found.limits)
    assert found.document["gradients"][0]["norms"] != [0]


# Wrong requests


def refused(**asked: object) -> tuple[str, ...]:
    with pytest.raises(RequestError) as error:
        resolve(Request(**asked))  # type: ignore[arg-type]
    return error.value.findings


def test_all_that_is_wrong_is_said_at_once(tiny: Model, tmp_path: Path) -> None:
    (tmp_path / "here.html").write_text("mine")
    found = refused(
        question="paths",
        model=tiny,
        data="nodata",
        words=["drws=3", "evry=1", "pictures=0", "data.limit=-1"],
        out=tmp_path / "here.html",
        seed=-1,
        batch_size=0,
    )
    text = "\n".join(found)
    for part in (
        'The question "paths" has no setting "drws" (nearest: draws).\n',
        'no setting "evry"',
        "`cardinet explain paths` lists its settings.",
        "pictures = 0",
        "limit = -1",
        'The source "nodata"',
        "seed = -1",
        "batch_size = 0",
        "here.html",
    ):
        assert text.count(part) == 1, text
    assert (tmp_path / "here.html").read_text() == "mine"


def test_wrong_requests_are_sentences(tiny: Model) -> None:
    assert refused(question="path", model=tiny) == (
        'There is no question "path" (nearest: paths); `cardinet explain` lists all.',
    )
    (ending,) = refused(question="paths", model=tiny, out=Path("page.txt"))
    assert ending == "page.txt cannot be the page; end its name with .html."
    (kind,) = refused(question="paths", model=Model(torch.nn.Flatten(), None, ("a",), tiny.preprocessing))
    assert kind == "Flatten is not a network of Cardinet, so it cannot be explained."
    (name,) = refused(question="paths", model="resnet20_cifr")
    assert '"resnet20_cifr"' in name
    (value,) = refused(question="paths", model=tiny, words=["by=length"])
    assert value.startswith("by = 'length'")


@pytest.mark.parametrize(("id", "layers"), [("plain20_cifar", 20), ("fusenet_plain26", 26), ("resnet20_cifar", None)])
def test_the_units_of_a_plain_network_are_no_branches(id: str, layers: int | None) -> None:
    """There are no other ways around them, so the one path is measured by its layers, and there is nothing to draw."""
    found = explain_model("paths", id)
    single = found.lead == [f"The network is one path of {layers} layers: it has no shortcuts and no branches."]
    drawn = [figure for section in found.sections for figure in section.figures if isinstance(figure, Bars)]
    assert (single, found.document["by"] == "layers", not drawn) == (layers is not None,) * 3


@pytest.mark.parametrize(
    ("id", "said", "range"),
    [
        ("dfn_il1_side", "All of them have 56 layers.", "56"),
        ("fusenet_fuse3_26", "All of them have 2 to 26 layers; a single path has the most, 26.", "2 to 26"),
        ("resnet20_cifar", "96.09 % of them have 6 to 16 layers", "6 to 16"),
    ],
)
def test_a_range_of_one_length_or_of_all_paths_is_said_as_such(id: str, said: str, range: str) -> None:
    found = explain_model("paths", id, by="layers")
    assert said in found.lead[0]
    assert found.strip["at least 95 % of the paths"] == range


def test_settings_of_every_question() -> None:
    for name in QUESTIONS:
        group = settings_of(name)
        assert group.example.startswith(f"cardinet explain {name} MODEL")
        assert all(setting.sentence and setting.type and setting.default is not None for setting in group.settings)


def test_a_question_without_a_model_shows_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["explain", "paths"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("paths, a question: cardinet explain paths MODEL [SOURCE]\n")
    assert "draws = 8" in said.out
    assert said.err == (
        "Name a model to ask it: cardinet explain paths MODEL [SOURCE]. Give a setting by --set KEY=VALUE.\n"
    )
    assert outcome(["explain", "paths", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"][0]["name"] == "by"
    assert outcome(["explain", "--json"]) == 0
    assert [row["question"] for row in json.loads(capsys.readouterr().out)] == list(QUESTIONS)
    assert outcome(["explain", "paths", "--out", "page.html"]) == 2
    assert capsys.readouterr().err == "error: Name the model too: cardinet explain paths MODEL [SOURCE].\n"
    assert outcome(["explain", "pathz"]) == 2
    assert 'There is no question "pathz" (nearest: paths)' in capsys.readouterr().err
