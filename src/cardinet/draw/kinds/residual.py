"""Residual networks: stages of units; the unit with its transforms, norms, shortcut, gate and merge."""

from __future__ import annotations

from collections.abc import Iterator

from cardinet.base.amounts import amount
from cardinet.base.errors import RequestError
from cardinet.blocks.residual_unit import Layer, Surroundings
from cardinet.build.assembly import layers_of, surroundings_of
from cardinet.draw.flow import CONCATENATION, SUM, Chain, Fork, Part, box, chain, several
from cardinet.draw.layers import convolution, feature_map, kernel_text, named, stem_text, words
from cardinet.draw.parts import carried, drawn_gate, joined, merged, shortcut, spatial
from cardinet.draw.plan import Around, Enlarged, Plan, Stage, panels
from cardinet.networks.residual import Residual


def plan(spec: Residual) -> Plan:
    """Stem, stages and head; the unit of a stage, the same with its transforms side by side, and a first unit."""
    around = () if spec.levels is None else spec.levels.around
    last = len(spec.depths)
    after = f"; {named(spec.order.after)} follows their sum" if spec.order.after else ""
    return Plan(
        tuple(_stages(spec)),
        panels(_units(spec)),
        (
            *(Around(i, i) for i in range(1, last + 1) if "stage" in around),
            *((Around(1, last),) if "network" in around else ()),
        ),
        (f"The shortcuts around more than one unit are projections (1\u00d71, BN){after}.",) if around else (),
    )


def _stages(spec: Residual) -> Iterator[Stage]:
    yield Stage("stem", _stem(spec), "conv1")
    kernels = spec.transform.kernels
    for i, (depth, width) in enumerate(zip(spec.depths, spec.widths, strict=True), 1):
        widths = spec.transform.channels(spec.streams[i], width)[1:]
        pieces = [f"{kernel_text(k)}, {w}" for k, w in zip(kernels, widths, strict=True)]
        if spec.cardinality > 1:
            pieces[spec.transform.at] += f", C = {spec.cardinality}"
        pooled = ("max pool 2\u00d72 /2, then",) if i > 1 and spec.pooled else ()
        yield Stage(f"stage {i}", (*pooled, f"{amount(depth, 'unit')} of {' | '.join(pieces)}"), f"layer{i}")
    dropped = f"dropout {spec.head_dropout:g}" if spec.head_dropout else ""
    head = [named(spec.order.pre), "average pool", dropped, f"fc {spec.streams[-1]} \u2192 {spec.num_classes}"]
    first = f"closing_{spec.order.pre.split()[0]}" if spec.order.pre else "avgpool"
    yield Stage("head", (", ".join(filter(None, head)),), first)


def _stem(spec: Residual) -> tuple[str, ...]:
    stem, after = spec.stem, spec.stem_words
    pool = () if stem.layout == "cifar" else ("max pool 3\u00d73 /2",)
    if stem.layout == "deep":
        first, second = stem_text(3, stem.width, 2, "bn relu"), stem_text(3, stem.width, 1, "bn relu")
        return first, second, stem_text(3, stem.w_out, 1, after), *pool
    kernel, stride = (7, 2) if stem.layout == "imagenet" else (3, 1)
    return stem_text(kernel, stem.width, stride, after), *pool


def _units(spec: Residual) -> Iterator[Enlarged]:
    """The units that differ in more than numbers."""
    usual = 0 if spec.depths[0] == 1 else 1
    stages = len(spec.depths)
    alike = "All units but the first of each stage are like it." if usual else ""
    yield Enlarged(f"Unit {usual + 1} of stage 1", unit(spec, 0, usual), alike, of=1)
    if (aggregated := _aggregated(spec)) is not None:
        yield Enlarged(
            f"The same with its {spec.cardinality} transforms",
            unit(aggregated, 0, usual),
            "The grouped convolution computes the same as these paths (form a of the ResNeXt paper).",
        )
    if stages > 1:
        shrinks = "changes the channels" if spec.pooled else "changes the channels and halves the feature map"
        own = " That of stage 1 keeps the size." if spec.streams[0] != spec.streams[1] and not spec.pooled else ""
        yield Enlarged("Unit 1 of stage 2", unit(spec, 1, 0), f"The first unit of a stage {shrinks}.{own}")
    if usual:
        yield Enlarged("Unit 1 of stage 1", unit(spec, 0, 0), "The first unit of the network.")
    if spec.levels is not None and spec.depths[-1] > 1:
        about = "Its activation follows the sum with the shortcuts around the stage and the network."
        yield Enlarged(f"Last unit of stage {stages}", unit(spec, stages - 1, spec.depths[-1] - 1), about)


def _aggregated(spec: Residual) -> Residual | None:
    """The network in form a, with one path for each transform, if it has more than one and this form."""
    if spec.transform.form != "c" or spec.cardinality == 1 or not spec.transform.spatial.BRANCHED:
        return None
    try:
        return spec.but(form="a")
    except RequestError:
        return None


def unit(spec: Residual, stage: int, index: int) -> Part:
    """A unit from its input to its output."""
    layers, around = layers_of(spec, stage, index), surroundings_of(spec, stage, index)
    w_in, w_out = layers[0].w_in, layers[-1].w_out
    stride = max(layer.stride for layer in layers)
    skip = shortcut(spec.shortcut, w_in, w_out, stride)
    on_skip, on_branch = carried(spec.carry) if skip is not None else (Chain(), Chain())
    dropped_skip, dropped_branch = merged(spec.merge)
    branch = chain(
        FORMS[spec.transform.form](spec, layers, around),
        drawn_gate(spec.gate, w_out),
        on_branch,
        dropped_branch,
    )
    return chain(
        feature_map(w_in, "in"),
        words(around.pre if around.shares_pre else ""),
        joined(branch, None if skip is None else chain(skip, on_skip, dropped_skip)),
        words(around.after),
        feature_map(w_out, "out"),
    )


def _grouped(spec: Residual, layers: list[Layer], around: Surroundings) -> Part:
    """Form c: one chain, in which the spatial convolution has groups; or several such chains, summed."""
    one = chain(words("" if around.shares_pre else around.pre), *(_layer(spec, layer) for layer in layers))
    return one if around.copies == 1 else Fork(several(one, around.copies, "transforms"), SUM)


def _layer(spec: Residual, layer: Layer) -> Part:
    drawn = (
        spatial(spec.transform.spatial, layer)
        if layer.spatial
        else convolution(layer.w_in, layer.kernel, layer.w_out, layer.stride)
    )
    before = chain(box("drop", f"dropout {layer.dropout:g}")) if layer.dropout else Chain()
    return chain(before, drawn, words(layer.words))


def _concatenated(spec: Residual, layers: list[Layer], around: Surroundings) -> Part:
    """Form b: paths of two convolutions, concatenated before the last convolution."""
    last = layers[-1]
    paths = several(_path(layers[:-1], spec.cardinality), spec.cardinality, "paths")
    return chain(Fork(paths, CONCATENATION), convolution(last.w_in, 1, last.w_out, last.stride), words("bn"))


def _summed(spec: Residual, layers: list[Layer], around: Surroundings) -> Part:
    """Form a: paths of three convolutions, summed."""
    return chain(Fork(several(_path(layers, spec.cardinality), spec.cardinality, "paths"), SUM), words("bn"))


def _path(layers: list[Layer], cardinality: int) -> Chain:
    """One of the C paths: each inner width is divided by C; BN and ReLU after all but a third convolution."""
    reduce, middle, *last = layers
    inner = middle.w_out // cardinality
    return chain(
        convolution(reduce.w_in, reduce.kernel, inner, reduce.stride),
        words("bn relu"),
        convolution(inner, middle.kernel, inner, middle.stride),
        words("bn relu"),
        *(convolution(inner, 1, layer.w_out, layer.stride) for layer in last),
    )


FORMS = {"a": _summed, "b": _concatenated, "c": _grouped}
