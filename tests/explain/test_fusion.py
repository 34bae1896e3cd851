"""The base networks of a fused network, against networks that are cut out by hand."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from breadth import breadth
from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.deeply_fused import DeeplyFusedNet, FusedBlock
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.evaluate.classification import evaluate
from cardinet.explain import job
from cardinet.explain.figures import Bars, Table
from cardinet.explain.job import explain_model
from cardinet.explain.members import members
from cardinet.explain.questions.fusion import Fusion, length, paths_of
from cardinet.explain.request import Request, resolve
from cardinet.networks.families.deeply_fused import DeeplyFused, fuse
from cardinet.networks.registry import find
from cardinet.report.explain_page import figure_html
from cardinet.runs.model_file import save_model
from explain.models import classifier, drawn, unchanged

FUSE3 = fuse(8, 3).but(widths=(4, 8, 8), in_channels=1)
FUSE6 = fuse(14, 6).but(widths=(4, 8, 8), in_channels=1)
ONE_DEEP, TWO_DEEP = ("RLL", "LRL", "LLR"), ("RRL", "RLR", "LRR")


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
    assert found.error() == pytest.approx(float((total.argmax(1) != labels).double().mean()))
    last = paths_of(network)[-1]
    others = total - found.probabilities[last]
    expected = float((others.argmax(1) != labels).double().mean()) - found.error()
    assert found.contribution(last) == pytest.approx(expected)


@pytest.mark.parametrize(("spec", "columns"), breadth([(FUSE3, 8), (FUSE6, 64)], (FUSE6, 64)), ids=("fuse3", "fuse6"))
def test_columns_that_exchange_are_the_fused_network(spec: DeeplyFused, columns: int) -> None:
    """N_ce equals N_f: all base networks side by side, which add up their lines after every block (1611.07718, v1)."""
    network = trained(spec)
    assert isinstance(network, DeeplyFusedNet)
    x = torch.randn(6, 1, 8, 8, dtype=torch.float64)
    bases = [network.base(path) for path in paths_of(network)]
    assert len(bases) == columns
    for training in (False, True):
        whole = copy.deepcopy(network).train(training)(x)
        answers = coupled([copy.deepcopy(base).train(training) for base in bases], x, exchanges=True)
        assert len(answers) == columns
        for answer in answers:
            torch.testing.assert_close(answer, whole, rtol=0, atol=1e-10)
        apart = coupled([copy.deepcopy(base).train(training) for base in bases], x, exchanges=False)
        assert not torch.allclose(torch.stack(apart).mean(0), whole, atol=1e-2)
        for base, answer in zip(bases, apart, strict=True):
            torch.testing.assert_close(answer, copy.deepcopy(base).train(training)(x), rtol=0, atol=1e-10)


def trained(spec: DeeplyFused) -> Classifier:
    """The network after a few steps, float64."""
    network = drawn(spec).double().train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        x = torch.randn(16, 1, 8, 8, dtype=torch.float64, generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(network(x), torch.arange(16) % 10).backward()
        optimizer.step()
    return network.eval()


@torch.no_grad()
def coupled(columns: Sequence[DeeplyFusedNet], x: Tensor, *, exchanges: bool) -> list[Tensor]:
    """The logits of columns of one line a block. With an exchange each goes on from the sum of the lines of all.

    A line is in half of the columns, so the sum over all of them counts it that often.
    """
    states = [column.relu(column.bn1(column.conv1(x))) for column in columns]  # type: ignore[operator]
    for i in range(len(blocks(columns[0]))):
        outputs = []
        for column, state in zip(columns, states, strict=True):
            block = blocks(column)[i]
            (line,) = block.lines
            outputs.append(block.get_submodule(line)(state))
        if exchanges:
            outputs = [torch.stack(outputs).sum(0) / (len(columns) / 2)] * len(columns)
        states = [F.relu(output) for output in outputs]
    return [column.forward_head(state) for column, state in zip(columns, states, strict=True)]


def blocks(network: DeeplyFusedNet) -> list[FusedBlock]:
    return [module for module in network.modules() if isinstance(module, FusedBlock)]


def test_lengths_of_base_networks() -> None:
    network = drawn(fuse(26, 3).but(widths=(4, 8, 8)))
    lengths = sorted(length(network, path) for path in paths_of(network))
    assert lengths == [5, 12, 12, 12, 19, 19, 19, 26]  # 2 + j * 8 + (3 - j), with multiplicity C(3, j)
    assert length(network, paths_of(network)[-1]) == 26


@pytest.mark.parametrize("name", ["resnet20_cifar", "fusenet_plain26", "dfn_mr1", "fusenet_resnet110"])
def test_networks_without_a_few_base_networks_are_refused(name: str) -> None:
    assert len(Fusion().problems(drawn(find(name).spec.but(num_classes=2)))) == 1


@pytest.fixture(scope="module")
def digits() -> Source:
    return open_source("digits", DataSettings(limit=100))


def test_an_answer_has_all_members_and_ensembles(digits: Source, tmp_path: Path) -> None:
    model = classifier(FUSE3)
    other = tmp_path / "without_deepest.safetensors"
    save_model(other, model)
    found = explain_model("fusion", model, digits, estimate=50, without_deepest=str(other))
    document = json.loads(json.dumps(found.document))
    assert [row["lines"] for row in document["members"]] == ["LLL", *ONE_DEEP, *TWO_DEEP, "RRR"]
    assert [row["members"] for row in document["lengths"]] == [1, 3, 3, 1]
    assert len(document["ensembles"]) == 4
    bars, contributions, table = found.sections[0].figures
    assert isinstance(bars, Bars)
    assert [bar.label for bar in bars.bars[::2]] == [f"{row['lines']}, {row['layers']}" for row in document["members"]]
    assert [bar.value for bar in bars.bars[1::2]] == [row["estimated_error"] for row in document["members"]]
    assert isinstance(contributions, Bars)
    assert len(contributions.bars) == 8
    assert isinstance(table, Table)
    assert not table.folded
    with pytest.raises(RequestError, match="no base network"):
        explain_model("fusion", model, digits, alone=str(other))


def test_many_base_networks_are_drawn_by_their_length(digits: Source) -> None:
    found = explain_model("fusion", classifier(FUSE6), digits, estimate=50)
    document = json.loads(json.dumps(found.document))
    rows = document["members"]
    assert len({row["lines"] for row in rows}) == 64
    expected = Counter(row["layers"] for row in rows)
    layers = sorted(expected)
    assert len(layers) > 6
    assert [(row["layers"], row["members"]) for row in document["lengths"]] == sorted(expected.items())
    bars, contributions, by_length, each = found.sections[0].figures
    assert isinstance(bars, Bars)
    assert [bar.label for bar in bars.bars] == [str(length) for length in layers for _ in range(2)]
    for bar in bars.bars:
        key = ("error", "estimated_error")[bar.series]
        errors = [row[key] for row in rows if str(row["layers"]) == bar.label]
        assert bar.value == pytest.approx(sum(errors) / len(errors))
        assert bar.spread == ((min(errors), max(errors)) if len(errors) > 1 else None)
    assert isinstance(contributions, Bars)
    assert len(contributions.bars) == len(layers)
    assert isinstance(by_length, Table)
    assert isinstance(each, Table)
    assert [len(by_length.rows), len(each.rows)] == [len(layers), 64]
    assert each.folded
    for figure in found.sections[0].figures:
        assert len(figure_html(figure)) > 500


def test_base_networks_that_were_trained_alone_stand_beside_their_member(digits: Source, tmp_path: Path) -> None:
    path = ("deep1", "shallow", "deep1")
    alone = classifier(FUSE3.but(path=path), seed=3)
    save_model(tmp_path / "alone.safetensors", alone)
    found = explain_model("fusion", classifier(FUSE3), digits, estimate=50, alone=str(tmp_path / "alone.safetensors"))
    own = evaluate(alone.network, digits.splits["test"], alone.preprocessing, 10)
    errors = {row["lines"]: row["alone_error"] for row in found.document["members"]}
    assert errors.pop("RLR") == pytest.approx(float((own.predicted != digits.splits["test"].labels).mean()))
    assert set(errors.values()) == {None}
    bars, _, table = found.sections[0].figures
    assert isinstance(bars, Bars)
    assert [bar.label[:3] for bar in bars.bars if bar.series == 2] == ["RLR"]
    assert isinstance(table, Table)
    assert table.columns == ("lines", "layers", "file's statistics", "estimated again", "trained alone", "contribution")
    none = explain_model("fusion", classifier(FUSE3), digits, estimate=50).sections[0].figures[2]
    assert isinstance(none, Table)
    assert "trained alone" not in none.columns


def test_models_beside_the_network_are_asked_with_their_own_preprocessing(digits: Source, tmp_path: Path) -> None:
    path = ("deep1", "shallow", "shallow")
    alone, seven = classifier(FUSE3.but(path=path), seed=3, side=12), classifier(FUSE3, seed=4, side=12)
    for name, model in (("alone", alone), ("without_deepest", seven)):
        save_model(tmp_path / f"{name}.safetensors", model)
    beside: dict[str, Any] = {name: str(tmp_path / f"{name}.safetensors") for name in ("alone", "without_deepest")}
    document = explain_model("fusion", classifier(FUSE3), digits, estimate=50, **beside).document
    own = evaluate(alone.network, digits.splits["test"], alone.preprocessing, 10)
    assert {row["lines"]: row["alone_error"] for row in document["members"]}["RLL"] == pytest.approx(own.error)
    of_seven = explain_model("fusion", seven, digits, estimate=50).document["ensembles"]
    assert document["ensembles"][3]["error"] == of_seven[2]["error"]


def test_models_that_do_not_fit_are_all_named_before_any_pass(digits: Source, tmp_path: Path) -> None:
    path = ("deep1", "shallow", "shallow")
    others = {
        "longer": classifier(fuse(11, 3).but(widths=FUSE3.widths, in_channels=1, path=path)),
        "classes": replace(classifier(FUSE3), classes=tuple("abcdefghij")),
        "good": classifier(FUSE3.but(path=path)),
    }
    for name, model in others.items():
        save_model(tmp_path / f"{name}.safetensors", model)
    files = {name: str(tmp_path / f"{name}.safetensors") for name in others}
    words = (f"alone={files['longer']}, {files['good']}", f"without_deepest={files['classes']}")
    asked = resolve(Request(question="fusion", model=classifier(FUSE3), data=digits, words=words))
    passed: list[str] = []
    with pytest.raises(RequestError) as raised:
        job.answer(asked, lambda what, done, total: passed.append(what))
    assert raised.value.findings == (
        f"alone: {files['longer']} is no base network of the network that is asked about.",
        f"without_deepest: {files['classes']} has other classes than the network that is asked about.",
    )
    assert passed == []
    with pytest.raises(RequestError) as raised:
        resolve(
            Request(
                question="fusion",
                model=classifier(FUSE3),
                data=digits,
                words=("alone=no, never", "without_deepest=not"),
            )
        )
    assert [finding.partition(" ")[0] for finding in raised.value.findings] == ['"no"', '"never"', '"not"']
