"""Highway networks: stages of gated layers (Srivastava et al. 2015, Equation 3)."""

from __future__ import annotations

from cardinet.base.amounts import amount
from cardinet.draw.flow import Chain, Fork, box, chain
from cardinet.draw.layers import convolution, feature_map, stem_text, words
from cardinet.draw.plan import Enlarged, Plan, Stage, panels
from cardinet.networks.families.highway import Highway


def plan(spec: Highway) -> Plan:
    """The first convolution, the stages with their pools, and the head; one highway layer."""
    (kernel, _), last = spec.first, len(spec.depths)
    stages = [Stage("stem", (stem_text(kernel, spec.widths[0], 1, "relu"),), "drop0")]
    before = spec.widths[0]
    for i, (depth, width, pooled) in enumerate(zip(spec.depths, spec.widths, spec.pools, strict=True), 1):
        about = [f"{stem_text(3, width, 1, 'relu')}"] if width != before else []
        about.append(f"{amount(depth, 'highway layer')} of 3\u00d73, {width}")
        about += [f"max pool {pooled}\u00d7{pooled} /2"] if pooled else []
        stages.append(Stage(f"stage {i}", tuple(about), f"conv{i}" if width != before else f"layer{i}"))
        before = width
    narrow = [stem_text(1, spec.narrow, 1, "relu")] if spec.narrow is not None else []
    features = (spec.narrow or before) * spec.side**2
    about = [*narrow, f"average pool to {spec.side}\u00d7{spec.side}, fc {features} \u2192 {spec.num_classes}"]
    stages.append(Stage("head", tuple(about), f"conv{last + 1}" if narrow else "avgpool"))
    title = "Highway layer of stage 1"
    about_layer = "y = t h + (1 \u2212 t) x: the gate t weighs the transform h against the input x."
    return Plan(tuple(stages), panels([Enlarged(title, _layer(spec.widths[0]), about_layer, of=1)]))


def _layer(width: int) -> Chain:
    transform = chain(convolution(width, 3, width), words("relu"), box("map", "h"))
    gate = chain(convolution(width, 3, width), box("gate", "sigmoid"), box("map", "t"))
    weighed = box("gate", "t h + (1 \u2212 t) x")
    return chain(
        feature_map(width, "in, x"), Fork((transform, gate, Chain()), weighed, skips=(2,)), feature_map(width, "out, y")
    )
