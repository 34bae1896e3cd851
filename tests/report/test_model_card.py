"""Model cards: valid for the Hub's client, with the figures of the file, and unbroken by any text of it."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest
from huggingface_hub import ModelCard, ModelCardData
from markdown_it import MarkdownIt

import cardinet
from cardinet.base.errors import RequestError
from cardinet.build.meta import on_meta
from cardinet.data.kinds import KINDS
from cardinet.data.preprocessing import Preprocessing
from cardinet.measure.counts import count
from cardinet.networks.registry import FAMILIES, find
from cardinet.report.card import model_card
from cardinet.report.card_facts import REWRITTEN, data_facts, deviations, initial_weights, results, rewritten
from cardinet.report.licenses import LICENSES, license_named
from cardinet.report.markdown import code, fence
from cardinet.report.repository import config
from cardinet.rewrite.narrow import narrow
from cardinet.rewrite.prunable import prunable
from cardinet.rewrite.steps import REWRITES, Step, apply
from cardinet.runs.folder import RunRecord
from cardinet.runs.model_file import Model
from cardinet.weights.upload import Target, check_branch, check_repo
from weights.drawn import drawn

TARGET = Target("me/cats")
RGB = Preprocessing(channels=3, resize=36, crop=32, mean=(0.5, 0.25, 0.125), std=(0.5,) * 3)
TRAINING: dict[str, Any] = {
    "network": "resnet20_cifar",
    "recipe": "quick",
    "data": "cifar10",
    "step": 30,
    "steps": 40,
    "epoch": 3.0,
    "test": {"split": "test", "count": 9000, "total": 10_000, "wrong": 701, "error": 0.077888, "loss": 0.25},
}


def model(classes: tuple[str, ...] = tuple("abcdefg"), steps: tuple[Step, ...] = (), **training: Any) -> Model:
    network = drawn("resnet20_cifar", depths=(1, 1, 1), num_classes=len(classes))
    return Model(apply(network, steps), network.spec, classes, RGB, steps, TRAINING | training)


def html(card: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(ModelCard(card).text))


def facts(card: str) -> ModelCardData:
    """What the hub reads of a card."""
    data = ModelCard(card).data
    assert isinstance(data, ModelCardData)
    return data


def test_the_yaml_is_the_hubs() -> None:
    about = facts(model_card(model(), TARGET, license="apache-2.0"))
    assert (about.library_name, about.license, about.datasets) == ("cardinet", "apache-2.0", ["uoft-cs/cifar10"])
    assert about.tags == ["image-classification", "resnet-cifar", "resnet20_cifar"]
    assert (about.pipeline_tag, about.model_name) == ("image-classification", "cats")
    assert about.eval_results is not None
    figures = {result.metric_type: result for result in about.eval_results}
    assert figures["error"].metric_value == 701 / 9000
    assert figures["accuracy"].metric_value == 8299 / 9000
    assert {(r.dataset_type, r.dataset_split) for r in figures.values()} == {("uoft-cs/cifar10", "test")}


def test_what_is_not_known_is_not_there() -> None:
    card = model_card(dataclasses.replace(model(), training={}), TARGET)
    about = ModelCard(card).data.to_dict()
    assert about == {
        "library_name": "cardinet",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification"],
    }
    for words in ("a network that has no name of its own", "Unknown: the model file holds no", "- Pictures: unknown."):
        assert words in card
    assert "Unknown: the owner of this repository has not said" in card
    assert "None" not in card


def test_figures_and_counts_are_those_of_the_file() -> None:
    made = model()
    card = model_card(made, TARGET)
    counts = count(on_meta(made.network), 32, 3)
    for name, number in (
        ("parameters (trainable)", counts.params),
        ("MACs (of convolution and linear layers)", counts.macs),
        ("FLOPs (2 x MACs)", 2 * counts.macs),
        ("activations (outputs of these layers)", counts.activations),
    ):
        assert f"| {name} | {number:,} |" in card
    assert "| test | 7.79\u00a0% | 701 | 9,000 of 10,000 | unknown | 0.250 |" in card
    assert "It is `resnet20_cifar` with `depths = [1, 1, 1]`." in card
    assert "cardinet predict hub:me/cats cat.jpg" in card
    assert "step 30 of 40 (epoch 3.00)" in card
    assert "Resize the shorter side to 36 pixels, bilinear, with antialiasing." in card
    assert "subtract 0.5, 0.25, 0.125, divide by 0.5, 0.5, 0.5 (red, green, blue)" in card
    assert "[arXiv 1512.03385](https://arxiv.org/abs/1512.03385)" in card
    assert card == model_card(model(), TARGET)


def test_a_rewritten_model_has_the_counts_of_the_smaller_network() -> None:
    plain = model()
    folded = model(steps=(Step("fold"),))
    kept = {place.conv: 5 for place in prunable(folded.network)}
    steps = (Step("fold"), Step("narrow", {"kept": kept}))
    network = narrow(folded.network, kept)
    pruned = dataclasses.replace(plain, network=network, rewrites=steps, training=TRAINING | {"macs_kept": 0.4})
    params = [count(on_meta(m.network), 32, 3).params for m in (plain, folded, pruned)]
    assert params[0] > params[1] > params[2]
    for made, number in zip((plain, folded, pruned), params, strict=True):
        assert f"| parameters (trainable) | {number:,} |" in model_card(made, TARGET)
    card = model_card(pruned, TARGET)
    assert "1. `fold`: batch normalisation was folded" in card
    assert f"2. `narrow`: {len(kept)}\u00a0convolutions have fewer channels" in card
    assert "taken after the network was pruned" in card
    assert "Pruning kept 40.00\u00a0% of the MACs." in card
    assert "keep the function of the network up to rounding" in model_card(folded, TARGET)
    without = dataclasses.replace(pruned, training=TRAINING)
    assert "before or after the network was pruned is unknown" in model_card(without, TARGET)


def test_every_rewrite_has_its_words() -> None:
    assert set(REWRITTEN) == set(REWRITES)
    for step, words in (
        (
            Step("classes", {"rows": [4, -1, -1]}),
            "for 3\u00a0classes; 1 of them kept their row of the old classifier.",
        ),
        (Step("in_channels", {"channels": 1}), "the input has 1\u00a0channel."),
        (Step("deepen", {"depths": [1, 2, 1]}), "were added; the stages now have `[1, 2, 1]` units."),
        (Step("widen", {"base_width": 128, "seed": 3}), "were divided: `base_width = 128`."),
        (Step("compact"), "after every convolution that can be pruned."),
        (Step("pack", {"width": 8}), "joined until each has `8` channels."),
    ):
        assert words in rewritten(step)


def test_a_grown_network_is_the_one_that_it_has_become() -> None:
    steps = (Step("deepen", {"depths": [3, 3, 3]}), Step("classes", {"rows": [0, -1, 2]}))
    before = drawn("resnet20_cifar", depths=(1, 1, 1), num_classes=7)
    made = Model(apply(before, steps), before.spec, ("a", "b", "c"), RGB, steps, {"network": "resnet20_cifar"})
    card = model_card(made, TARGET)
    assert "It is `resnet20_cifar` as Cardinet defines it, for 3\u00a0classes and 3\u00a0channels." in card
    assert "`deepen`" in card
    assert "for 3\u00a0classes; 2 of them kept their row" in card
    trained = dataclasses.replace(made, training=TRAINING)
    assert "training summary in the model file, taken after its classes or channels were changed." in model_card(
        trained, TARGET
    )


HOSTILE = (
    "---",
    "a\n---\nlicense: mit",
    "`",
    "``` \n# heading",
    "<script>alert(1)</script>",
    "[x](javascript:y)",
    "![x](http://evil)",
    "a | b",
    "{{ 7 * 7 }}",
    "",
    "  ",
    "\u202eesrever",
    "\x00\x1b[31m",
    "`" * 7 + "x`",
    "</details>",
    "\\",
    "Übergröße 猫",
    "x" * 5000,
)


def test_no_text_breaks_the_card() -> None:
    texts: dict[str, Any] = {
        "recipe": "<b>\n\n# x",
        "data": "/home/alice/``` <img src=x>\n---",
        "network": "<i>\n---\n",
    }
    made = model(HOSTILE, **texts)
    card = model_card(made, Target("me/cats"), license="mit")
    about = facts(card)
    assert (about.license, about.tags) == ("mit", ["image-classification"])
    page = html(card)
    safe = html(
        model_card(model(tuple("abcdefghijklmnopqr"), network="a", recipe="b", data="/c"), TARGET, license="mit")
    )
    tags = [f"<{tag}" for tag in ("h1", "h2", "hr", "script", "img", "a ", "b>", "i>", "table", "tr", "td", "ol", "li")]
    assert {tag: page.count(tag) for tag in tags} == {tag: safe.count(tag) for tag in tags}
    assert page.count("<code>") == safe.count("<code>")
    assert "alice" not in card
    assert "49" not in card.split("## Classes")[1].split("## Input")[0]
    for name in ("&lt;script&gt;alert(1)&lt;/script&gt;", "Übergröße 猫", "a | b", "\\u202eesrever", "\\x00\\x1b[31m"):
        assert f"<code>{name}</code>" in page
    assert json.loads(config(made))["classes"] == list(HOSTILE)


def test_many_classes_are_cut() -> None:
    card = model_card(model(tuple(f"class{i}" for i in range(250))), TARGET)
    assert "`class199`\n" in card
    assert "`class200`" not in card
    assert "and 50 more, which `config.json` lists." in card


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("a`b", "`` a`b ``"),
        (" a", "`  a `"),
        ("", '`""`'),
        ("\t", "`\\t`"),
        ("a" * 200, f"`{'a' * 99}…`"),
    ],
)
def test_text_as_code(text: str, shown: str) -> None:
    assert code(text) == shown
    assert MarkdownIt("commonmark").render(code(text)).count("<code>") == 1


def test_a_block_of_code_is_not_left() -> None:
    block = fence("a\n```\n~~~\n````x", "toml")
    assert block.startswith("`````toml\n")
    assert MarkdownIt("commonmark").render(block).count("<pre>") == 1


NO_RESULTS: list[Any] = [
    None,
    3,
    {},
    {"count": 0, "wrong": 0},
    {"count": 3, "wrong": 4},
    {"count": True, "wrong": 0},
    {"count": 10.0, "wrong": 1},
    {"count": -1, "wrong": -2},
]


@pytest.mark.parametrize("row", NO_RESULTS, ids=str)
def test_what_is_no_result(row: Any) -> None:
    assert results({"test": row}) == ()


FOLLOWS = {
    "PATH": "/home/alice/cats",
    "FILE": "/home/alice/cats.csv",
    "NAME": "pets",
    "SHARDS": "/home/alice/cats/{0..9}.tar::/home/alice/dogs/x.tar",
}
"""What may follow the word of a kind."""


def test_data_by_their_names() -> None:
    for text, dataset in (
        ("cifar100", "uoft-cs/cifar100"),
        ("digits", None),
        ("imagenet:/data/imagenet", "ILSVRC/imagenet-1k"),
        ("parquet:/home/alice/cats", None),
        ("/home/alice/cats", None),
    ):
        data = data_facts(text, 1000)
        assert data is not None
        assert data.dataset == dataset
        assert "alice" not in data.words + data.name
    texts = [
        "/home/alice/cats",
        *(f"{kind}:{FOLLOWS[row.follows]}" if row.follows else kind for kind, row in KINDS.items()),
    ]
    assert len(texts) == 15
    words = [data_facts(text, 10) for text in texts]
    assert all(one is not None and "alice" not in one.words + one.name for one in words)
    said = [re.sub(r" \(.*|, on the Hub.*|, \[.*", "", one.words) for one in words if one is not None]
    assert len(set(said)) == 15  # each kind has words of its own, so that none is called what it is not
    assert said[0] == "pictures in class folders"
    assert said[texts.index("csv:/home/alice/cats.csv")] == "picture files that a table names"
    secret = data_facts("webdataset:https://host/home/alice/{000..009}.tar?token=s3cret", 10)
    assert secret is not None
    assert "s3cret" not in secret.words + secret.name
    hub = data_facts("hf:bob/pets@v1/part", 10)
    assert hub is not None
    assert hub.dataset == "bob/pets"
    few = data_facts("imagenet:/x", 10)
    assert few is not None
    assert few.dataset is None
    assert data_facts(3, 10) is data_facts("", 10) is None


def test_deviations_from_the_named_network() -> None:
    row = find("resnet50")
    changed = row.spec.but(cardinality=32, base_width=4, num_classes=7, gate="SqueezeExcite(reduction=8)")
    found = dict(deviations(changed, row))
    assert found["gate"] == "SqueezeExcite"
    assert found["transform.base_width"] == "4.0"
    assert "num_classes" not in found
    assert deviations(row.spec.but(num_classes=3), row) == []


def run_of(command: str) -> RunRecord:
    """A run of which nothing is known but its command."""
    known: dict[str, Any] = {"command": command}
    return RunRecord.model_construct(**known)


@pytest.mark.parametrize(
    ("command", "words", "base"),
    [
        ("cardinet train resnet18", "drawn at random", None),
        ("cardinet train --weights timm:resnet18.a1_in1k", "`timm:resnet18.a1_in1k`", "timm/resnet18.a1_in1k"),
        ("cardinet train --weights timm:resnet18", "`timm:resnet18`", None),
        ("cardinet train --weights=hub:me/x@v1/a.bin", "`hub:me/x@v1/a.bin`", "me/x"),
        ("cardinet train --weights torchvision:resnet18", "`torchvision:resnet18`", None),
        ("cardinet train --weights '/home/alice/a b.pth'", "a file of weights", None),
        ("cardinet rewrite runs/a --prune --out x", "the weights of a trained model, which the run has pruned", None),
    ],
)
def test_initial_weights(command: str, words: str, base: str | None) -> None:
    start = initial_weights(run_of(command))
    assert start is not None
    assert (start.words, start.base_model) == (words, base)
    assert initial_weights(run_of("python 'open")) is None


def test_licences() -> None:
    assert license_named("Apache-2.0") == "apache-2.0"
    assert len(LICENSES) == len(set(LICENSES)) == 83
    with pytest.raises(
        RequestError, match=r'--license "gpl3" is not a licence of the Hub \(nearest: gpl, lgpl, gpl-3.0\)'
    ):
        license_named("gpl3")


def test_names_of_repositories_and_branches() -> None:
    for name in ("me/x", "me-2/a.b_c", "Me/0", "me/" + "x" * 96):
        check_repo(name)
    for name in (
        "x",
        "me/",
        "/x",
        "a/b/c",
        "me/a..b",
        "me/a--b",
        "me/x.git",
        "-me/x",
        "me/x.",
        "me/x\n",
        "m e/x",
        "é/x",
        "me/" + "x" * 97,
        "m" * 97 + "/x",
    ):
        with pytest.raises(RequestError, match="is not a repository of the Hub: write OWNER/NAME"):
            check_repo(name)
    with pytest.raises(RequestError, match="to write the files to a folder, name it with --dry-run DIR"):
        check_repo("./out")
    for branch in (None, "main", "v1.2"):
        check_branch(branch)
    for branch in ("a/b", "", "a b", "x.lock", "..", "-x"):
        with pytest.raises(RequestError, match="name a branch"):
            check_branch(branch)


@pytest.mark.long
def test_every_family_has_a_card() -> None:
    rows = [next(iter(family.rows.values())) for family in FAMILIES if family.rows]
    for row in rows:
        network = cardinet.create(row.spec.but(num_classes=7), device="meta")
        middle = (0.5,) * row.spec.in_channels
        p = Preprocessing(channels=row.spec.in_channels, crop=row.input_size, mean=middle, std=middle)
        card = model_card(Model(network, network.spec, tuple("abcdefg"), p, (), {"network": row.id}), TARGET)
        assert f"It is `{row.id}` as Cardinet defines it, for 7" in card
    assert len(rows) == 39
