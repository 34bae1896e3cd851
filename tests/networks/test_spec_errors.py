"""What a description refuses: every finding at once, with the value, what is allowed, or the nearest name."""

from __future__ import annotations

from typing import Any

import pytest

import cardinet
from cardinet.base.errors import EVERY_SETTING, RequestError
from cardinet.base.settings import parse_assignments
from cardinet.networks.document import from_document, to_document
from cardinet.networks.part import part
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.merge import Add, StochasticDepth, Swapout
from cardinet.networks.parts.order import ORDERS
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.parts.spatial import Grouped, SplitAttention
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual

RESNET50 = find("resnet50").spec


@part
class Tuned:
    """A gate of the tests that shares a field's name with another part."""

    base_width: int = 1
    MODULE = "gates:SqueezeExcite"


def findings(**delta: Any) -> tuple[str, ...]:
    with pytest.raises(RequestError) as error:
        RESNET50.but(**delta)
    return error.value.findings


def test_short_names_dotted_paths_and_whole_parts() -> None:
    assert RESNET50.but(cardinality=32).transform.spatial == Grouped(cardinality=32)
    assert RESNET50.but(**{"spatial.cardinality": 32}) == RESNET50.but(cardinality=32)
    assert RESNET50.but(**{"transform.spatial.cardinality": 32}) == RESNET50.but(cardinality=32)
    assert RESNET50.but(shortcut=Shortcut(kind="C")) == RESNET50.but(kind="C")
    assert RESNET50.but(gate=SqueezeExcite(), reduction=4).gate == SqueezeExcite(reduction=4)
    assert RESNET50.but(gate=SqueezeExcite()).but(gate=None) == RESNET50
    assert RESNET50.but(transform=BOTTLENECK, base_width=128).transform.base_width == 128


def test_ambiguous_name_lists_its_owners() -> None:
    spec = RESNET50.but(gate=Tuned())
    with pytest.raises(RequestError, match=r"several parts; name one: transform\.base_width, gate\.base_width"):
        spec.but(base_width=4)
    assert spec.but(**{"gate.base_width": 4}).gate == Tuned(base_width=4)


@pytest.mark.parametrize(
    "delta",
    [
        {"spatial": "Grouped()", "cardinality": 4},
        {"cardinality": "4", "transform.spatial": "Grouped(cardinality=2)"},
        {
            "transform": "Transform(kernels=[1,3,1], at=1, stride_at=1, expansion=4)",
            "spatial": "Grouped(cardinality=4)",
        },
        {"transform": "bottleneck", "spatial": "Grouped()", "spatial.cardinality": 4},
    ],
)
def test_a_part_within_a_part_and_settings_within_it(delta: dict[str, Any]) -> None:
    assert RESNET50.but(**delta) == RESNET50.but(cardinality=4)


def test_unknown_name_gives_the_nearest() -> None:
    (finding,) = findings(cardinalty=32)
    assert (
        finding == 'A network of this kind has no setting "cardinalty" (nearest: cardinality, carry).' + EVERY_SETTING
    )
    assert "no setting" in findings(**{"shortcut.cardinality": 32})[0]


def test_all_errors_of_a_delta_at_once() -> None:
    found = "\n".join(
        findings(cardinality=0, kind="Z", num_classes=0, base_width=-1, cardinalty=3, depths=(), layout="tiny")
    )
    for text in (
        "cardinality = 0:",
        "kind = 'Z':",
        "num_classes = 0:",
        "base_width = -1:",
        'no setting "cardinalty"',
        "depths = ():",
        "layout = 'tiny':",
    ):
        assert text in found
    assert found.count("\n") == 6


def test_all_errors_of_a_document_at_once() -> None:
    """The wrong fields of a part together, and those of parts beside each other; what holds them is judged later."""
    document = to_document(RESNET50) | {"num_classes": 0, "depths": [], "colour": "red"}
    with pytest.raises(RequestError) as error:
        from_document(document)
    assert len(error.value.findings) == 3
    document["transform"]["spatial"] = {"part": "Grouped", "cardinalty": 1, "cardinality": 0}
    document["merge"] = {"part": "Ad"}
    document["stem"]["layout"] = "tiny"
    with pytest.raises(RequestError) as error:
        from_document(document)
    text = str(error.value)
    assert len(error.value.findings) == 4
    assert '"Grouped.cardinalty" (nearest: cardinality)' in text
    assert "Grouped.cardinality = 0:" in text
    assert 'This version has no network part "Ad" (nearest: Add' in text
    assert "Stem.layout = 'tiny':" in text


MEANINGLESS: list[tuple[dict[str, Any], list[str]]] = [
    ({"at": 3, "stride_at": 5}, ["at = 3: the transform has 3 convolutions", "stride_at = 5"]),
    ({"depths": (1, 2, 3)}, ["differ in length"]),
    ({"base_width": 0.5}, ["base_width = 0.5: a group has no channel"]),
    ({"kernels": (3, 3), "at": 0, "stride_at": 0, "form": "b"}, ['form = "b": only a bottleneck']),
    ({"spatial": SplitAttention(), "form": "a"}, ['form = "a": SplitAttention has no branches']),
    (
        {"gate": Add(), "merge": SqueezeExcite()},
        ["gate = Add: it is a part for merge", "merge = SqueezeExcite: it is a part for"],
    ),
    ({"kernels": (3, 3), "at": 0, "stride_at": 0, "cardinality": 3}, ["cardinality = 3 does not divide the"]),
    ({"kind": "A", "widths": (64, 32, 64, 64)}, ['kind = "A"']),
    ({"gate": "se", "merge": 3}, ["gate = 'se': give a part", "merge = 3: give a part"]),
    ({"spatial": None}, ["spatial = None: give a part"]),
]


def test_number_of_meaningless_descriptions() -> None:
    assert len(MEANINGLESS) == 10


@pytest.mark.parametrize(("delta", "messages"), MEANINGLESS, ids=lambda value: str(value)[:40])
def test_settings_that_have_no_meaning_together(delta: dict[str, Any], messages: list[str]) -> None:
    found = findings(**delta)
    for message in messages:
        assert any(message in text for text in found), found


def test_wrong_fields_of_a_new_description_are_all_named() -> None:
    with pytest.raises(ValueError) as error:
        Residual(depths=(0,), num_classes=0, in_channels="x")  # type: ignore[arg-type]
    assert all(name in str(error.value) for name in ("depths", "num_classes", "in_channels"))


def test_stride() -> None:
    assert [find(id).spec.stride for id in ("resnet50", "resnet20_cifar")] == [32, 4]


TEXTS = {
    "order=e": ("order", ORDERS["e"]),
    "transform=bottleneck": ("transform", BOTTLENECK),
    "gate=SqueezeExcite(reduction=8)": ("gate", SqueezeExcite(reduction=8)),
    "gate=none": ("gate", None),
    "merge=Swapout(last=[0.5, 0.25], rule=uniform)": ("merge", Swapout(last=(0.5, 0.25), rule="uniform")),
    "stem=Stem(layout=cifar, width=16)": ("stem", Stem(layout="cifar", width=16)),
    "kind=none": ("shortcut", Shortcut(kind="none")),
}
REFUSED_TEXTS = [
    ({"order": "f", "boundary": "fb"}, ["order = 'f': give one of a, b, c, d, e, or a part"]),
    ({"stem": 5, "width": 8}, ["stem = 5: give a part, such as stem=Stem()"]),
    ({"gate": "SqueezeExite"}, ['no part "SqueezeExite" (nearest: SqueezeExcite']),
    ({"gate": "SqueezeExcite(8)"}, ["name every value, and put lists in brackets, as in SqueezeExcite(reduction=...)"]),
    ({"gate": "SqueezeExcite(reduktion=8)"}, ['no setting "SqueezeExcite.reduktion" (nearest: reduction)']),
    ({"gate": SqueezeExcite}, ["gate = SqueezeExcite: give a part"]),
    ({"stem": Stem}, ["stem = "]),
    ({"gate": "Levels()"}, ["gate = Levels: it is a part for levels"]),
    ({"cardinality": True}, ["cardinality = True: Input should be a number, not true or false"]),
    ({"gate": "SqueezeExcite(reduction=true)"}, ["reduction = True: Input should be a number, not true or false"]),
    ({"widths": (True, 2, 3, 4)}, ["widths = (True, 2, 3, 4): Input should be a number, not true or false"]),
    ({"kind": "B", "shortcut.kind": "C"}, ['"kind" and "shortcut.kind" are one setting']),
    ({"merge": "none"}, ["merge = None: give a part"]),
]


def test_number_of_texts() -> None:
    assert (len(TEXTS), len(REFUSED_TEXTS)) == (7, 13)


@pytest.mark.parametrize("text", TEXTS)
def test_a_part_is_written_as_text(text: str) -> None:
    field, expected = TEXTS[text]
    assert getattr(find("resnet20_cifar").spec.but(**parse_assignments([text])), field) == expected


@pytest.mark.parametrize(("delta", "messages"), REFUSED_TEXTS, ids=str)
def test_values_that_stand_for_no_part(delta: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(RequestError) as error:
        RESNET50.but(**delta)
    assert len(error.value.findings) == len(messages)
    for finding, message in zip(error.value.findings, messages, strict=True):
        assert message in finding


def test_changes_are_judged_together() -> None:
    """A part and the setting that gives it a meaning, in one delta."""
    plain = find("plain20_cifar").spec
    assert plain.but(merge=StochasticDepth(), kind="A") == find("resnet20_cifar").spec.but(merge=StochasticDepth())
    assert find("alexnet_2012").spec.but(norm="none").norm is None


@pytest.mark.parametrize("network", [None, 5, Shortcut(), Residual])
def test_what_is_no_network(network: Any) -> None:
    with pytest.raises(RequestError, match="is not a network's name or description: give a name such as resnet50"):
        cardinet.create(network)
