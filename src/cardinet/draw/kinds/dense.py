"""DenseNet: a block with its concatenations, a layer of it, and a transition (Huang et al. 2016, Figures 1 and 2)."""

from __future__ import annotations

from cardinet.base.amounts import amount
from cardinet.draw.flow import Part, box, chain
from cardinet.draw.layers import convolution, feature_map, pool, stem_text, words
from cardinet.draw.plan import Enlarged, Plan, Stage, panels
from cardinet.draw.scene import Edge, Grid, Panel
from cardinet.networks.families.densenet import DenseNet

SHOWN = 4
"""The most layers of a block that are drawn one by one."""


def plan(spec: DenseNet) -> Plan:
    """Stem, blocks and transitions between them, head."""
    pooled = ("max pool 3\u00d73 /2",) if spec.stem == "imagenet" else ()
    first = stem_text(7, spec.stem_width, 2, "bn relu") if pooled else stem_text(3, spec.stem_width, 1)
    stages, width, entries = [Stage("stem", (first, *pooled), "conv1")], spec.stem_width, []
    inner = f"1\u00d71, {4 * spec.growth} | " if spec.bottleneck else ""
    for i, depth in enumerate(spec.depths, 1):
        entries.append(width)
        about = f"{amount(depth, 'layer')} of {inner}3\u00d73, {spec.growth}"
        stages.append(Stage(f"dense block {i}", (about,), f"layer{i}"))
        width += depth * spec.growth
        if i < len(spec.depths):
            kept = int(spec.compression * width)
            stages.append(Stage(f"transition {i}", (f"1\u00d71, {kept} | average pool 2\u00d72 /2",), f"transition{i}"))
            width = kept
    stages.append(Stage("head", (f"BN, ReLU, average pool, fc {width} \u2192 {spec.num_classes}",), "bn_last"))
    return Plan(tuple(stages), (_block(spec), *panels(_enlarged(spec))))


def _block(spec: DenseNet) -> Panel:
    """x0, then each layer below a line from every map before it, and the concatenation of all."""
    depth, growth, width = spec.depths[0], spec.growth, spec.stem_width
    drawn = [*range(1, depth + 1)] if depth <= SHOWN + 1 else [*range(1, SHOWN), depth]
    grid = Grid()
    maps = [grid.add("map", "x0", f"{width}-d", column=0, row=0)]
    for row, number in enumerate(drawn, 1):
        column = row + (number > row)
        w_in = width + (number - 1) * growth
        layer = grid.add("conv", f"layer {number}", f"{w_in} \u2192 {growth}", column=column, row=row)
        grid.edges += [Edge(start, layer) for start in maps]
        maps.append(layer)
    if len(drawn) < depth:
        grid.add("dots", "\u22ef", f"{depth - len(drawn)} more", column=SHOWN, row=SHOWN - 1)
    last = len(drawn) + 1
    columns = last + (len(drawn) < depth)
    end = grid.add("bar", f"concatenation, {width + depth * growth}-d", column=0, row=last, span=columns)
    grid.edges += [Edge(start, end) for start in maps]
    about = "Every layer reads the concatenation of the block's input and the outputs of all layers before it."
    return Panel("Dense block 1", grid, about, of=1)


def _layer(spec: DenseNet, w_in: int) -> Part:
    dropped = chain(box("drop", f"dropout {spec.dropout:g}")) if spec.dropout else chain()
    inner = 4 * spec.growth
    reduced = chain(words("bn relu"), convolution(w_in, 1, inner), dropped) if spec.bottleneck else chain()
    last = convolution(inner if spec.bottleneck else w_in, 3, spec.growth)
    return chain(feature_map(w_in, "in"), reduced, words("bn relu"), last, dropped, feature_map(spec.growth, "out"))


def _enlarged(spec: DenseNet) -> list[Enlarged]:
    width = spec.stem_width + spec.depths[0] * spec.growth
    kept = int(spec.compression * width)
    found = [Enlarged("Layer 1 of dense block 1", _layer(spec, spec.stem_width))]
    if len(spec.depths) > 1:
        dropped = chain(box("drop", f"dropout {spec.dropout:g}")) if spec.dropout else chain()
        between = chain(words("bn relu"), convolution(width, 1, kept), dropped, pool("average", 2, 2))
        found.append(Enlarged("Transition 1", chain(feature_map(width, "in"), between, feature_map(kept, "out"))))
    return found
