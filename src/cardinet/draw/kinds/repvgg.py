"""RepVGG: the block of training with its branches, and the single convolution that it becomes (Figure 2)."""

from __future__ import annotations

from cardinet.base.amounts import amount
from cardinet.draw.flow import SUM, Fork, Part, chain
from cardinet.draw.layers import convolution, feature_map, words
from cardinet.draw.parts import drawn_gate
from cardinet.draw.plan import Enlarged, Plan, Stage, panels
from cardinet.networks.families.repvgg import RepVGG


def plan(spec: RepVGG) -> Plan:
    """Stages; the block of a stage in training and in deployment, and the first block of a stage."""
    widths = (min(64, spec.widths[0]), *spec.widths)
    stages = [Stage("stage 0", (f"1 block of 3\u00d73 /2, {widths[0]}",), "stage0")]
    for i, (depth, width) in enumerate(zip(spec.depths, spec.widths, strict=True), 1):
        grouped = f"; every 2nd block of the network has {spec.cardinality} groups" if spec.cardinality > 1 else ""
        stages.append(
            Stage(
                f"stage {i}",
                (f"{amount(depth, 'block')} of 3\u00d73, {width}", grouped[2:])[: 1 + bool(grouped)],
                f"layer{i}",
            )
        )
    stages.append(Stage("head", (f"average pool, fc {widths[-1]} \u2192 {spec.num_classes}",), "avgpool"))
    usual = next((i for i, depth in enumerate(spec.depths) if depth > 1), 0)
    w, name = spec.widths[usual], f"stage {usual + 1}"
    groups = spec.cardinality if (sum(spec.depths[:usual]) + 2) % 2 == 0 else 1
    own = spec.form == "training"
    found = [
        Enlarged(
            f"Block 2 of {name} in training",
            _block(spec, w, w, 1, groups, training=True),
            "Its branches become one convolution for deployment." if own else "The branches from which it was made.",
            of=usual + 1,
        ),
        Enlarged(
            f"Block 2 of {name} in deployment",
            _block(spec, w, w, 1, groups, training=False),
            "It computes the same as the block of training.",
        ),
        Enlarged(
            f"Block 1 of {name} in training",
            _block(spec, widths[usual], w, 2, 1, training=True),
            "It halves the feature map, so it has no identity branch.",
        ),
    ]
    return Plan(tuple(stages), panels(found))


def _block(spec: RepVGG, w_in: int, w_out: int, stride: int, groups: int, *, training: bool) -> Part:
    branches: list[Part] = [
        chain(convolution(w_in, kernel, w_out, stride, groups=groups), words("bn")) for kernel in (3, 1)
    ]
    if w_in == w_out and stride == 1:
        branches.append(chain(words("bn")))
    body: Part = Fork(tuple(branches), SUM) if training else convolution(w_in, 3, w_out, stride, groups=groups)
    return chain(feature_map(w_in, "in"), body, drawn_gate(spec.gate, w_out), words("relu"), feature_map(w_out, "out"))
