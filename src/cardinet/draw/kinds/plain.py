"""VGG and AlexNet: chains of convolutions, pools and linear layers."""

from __future__ import annotations

from cardinet.base.amounts import amount
from cardinet.draw.flow import Chain, Part, box, chain
from cardinet.draw.layers import convolution, feature_map, pool, words
from cardinet.draw.parts import drawn_gate
from cardinet.draw.plan import Enlarged, Plan, Stage, panels
from cardinet.networks.families.alexnet import AlexNet
from cardinet.networks.families.vgg import VGG

HIDDEN = 4096
POOLED = (1, 2, 5)
"""The convolutions of AlexNet that a max pool follows."""


def vgg_plan(spec: VGG) -> Plan:
    """Stages of convolutions, each ended by a pool; the last stage, and the classifier."""
    after = "bn relu" if spec.norm else "relu"
    stages, found, w_in = [], [], spec.in_channels
    for i, (depth, width) in enumerate(zip(spec.depths, spec.widths, strict=True), 1):
        stages.append(
            Stage(
                f"stage {i}",
                (f"{amount(depth, 'convolution')} 3\u00d73, {width}", "max pool 2\u00d72 /2"),
                f"conv{i}_1",
            )
        )
        body: list[Part] = []
        for j in range(depth):
            body += [convolution(w_in if j == 0 else width, 3, width), words(after), drawn_gate(spec.gate, width)]
        part = chain(feature_map(w_in, "in"), *body, pool("max", 2, 2), feature_map(width, "out"))
        found.append(Enlarged(f"Stage {i}", part, of=i - 1))
        w_in = width
    deepest = max(found, key=lambda one: len(repr(one.part)))
    stages.append(Stage("head", _head_text(7, w_in, spec.num_classes), "avgpool"))
    return Plan(tuple(stages), panels([deepest, _head(7, w_in, spec.num_classes, spec.dropout, "after")]))


def alexnet_plan(spec: AlexNet) -> Plan:
    """Five convolutions in three stages, each ended by a pool, and the classifier."""
    stages: list[Stage] = []
    body: list[str] = []
    w_in = spec.in_channels
    parts: list[Part] = [feature_map(spec.in_channels, "in")]
    for i, (width, kernel) in enumerate(zip(spec.widths, (11, 5, 3, 3, 3), strict=True), 1):
        groups = spec.cardinality if i in (2, 4, 5) else 1
        stride = 4 if i == 1 else 1
        strided = f" /{stride}" if stride > 1 else ""
        body.append(f"{kernel}\u00d7{kernel}{strided}, {width}" + (f", C = {groups}" if groups > 1 else ""))
        normed = spec.norm is not None and i <= 2
        parts += [convolution(w_in, kernel, width, stride, groups=groups), words("relu")]
        parts += [box("norm", "local response normalisation")] * normed
        parts += [pool("max", 3, 2)] * (i in POOLED)
        if i in POOLED:
            first = i - len(body) + 1
            stages.append(Stage(f"stage {len(stages) + 1}", (" | ".join(body), "max pool 3\u00d73 /2"), f"conv{first}"))
            body = []
        w_in = width
    stages.append(Stage("head", _head_text(6, w_in, spec.num_classes), "avgpool"))
    chained = Enlarged("Convolutions", chain(*parts, feature_map(w_in, "out")), of=0)
    return Plan(tuple(stages), panels([chained, _head(6, w_in, spec.num_classes, 0.5, spec.drop)]))


def _head_text(side: int, width: int, classes: int) -> tuple[str, ...]:
    sizes = (side * side * width, HIDDEN, HIDDEN, classes)
    return f"average pool to {side}\u00d7{side}", "fc " + " \u2192 ".join(map(str, sizes))


def _head(side: int, width: int, classes: int, rate: float, drop: str) -> Enlarged:
    dropped: Part = box("drop", f"dropout {rate:g}") if rate else Chain()
    parts: list[Part] = [feature_map(width, "in"), box("pool", f"average pool to {side}\u00d7{side}")]
    for w_in in (side * side * width, HIDDEN):
        hidden: list[Part] = [box("linear", f"fc {w_in} \u2192 {HIDDEN}"), words("relu")]
        parts += [dropped, *hidden] if drop == "before" else [*hidden, dropped]
    parts += [box("linear", f"fc {HIDDEN} \u2192 {classes}"), box("map", f"{classes} classes")]
    return Enlarged("Head", chain(*parts))
