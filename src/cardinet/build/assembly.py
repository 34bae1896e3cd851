"""The residual network of a description, assembled from its parts."""

from __future__ import annotations

from torch import nn

from cardinet.blocks.classifier import Classifier, Tap
from cardinet.blocks.levels import Level, LevelStage
from cardinet.blocks.recomputation import Units
from cardinet.blocks.residual_unit import Layer, Surroundings
from cardinet.blocks.shortcut import Absent
from cardinet.build.binding import bind, resolve
from cardinet.networks.residual import Residual


def assemble(spec: Residual) -> Classifier:
    """The network: stem, stages, the layers of `order.pre` once more after the last unit, and the head."""
    body: dict[str, nn.Module] = dict(bind(spec.stem)(spec.in_channels, words=spec.stem_words, bias=spec.conv_bias))
    taps = [Tap("stem", list(body)[-1], spec.stem.w_out, spec.stem.stride)]
    for i, width in enumerate(spec.widths):
        body[f"layer{i + 1}"] = _stage(spec, i)
        taps.append(Tap(f"layer{i + 1}", f"layer{i + 1}", width * spec.transform.expansion, spec.stem.stride * 2**i))
    rooted = spec.levels is not None and "network" in spec.levels.around
    if rooted:
        body["root"] = _level(spec, spec.stem.w_out, taps[-1].channels, spec.stride // spec.stem.stride)
    body |= _closing(spec, taps[-1].channels)
    taps[-1] = Tap(taps[-1].name, list(body)[-1], taps[-1].channels, taps[-1].stride)

    head: dict[str, nn.Module] = {"avgpool": nn.AdaptiveAvgPool2d(1)}
    if spec.head_dropout:
        head["dropout"] = nn.Dropout(spec.head_dropout)
    head["fc"] = nn.Linear(taps[-1].channels, spec.num_classes)
    network = Classifier(body, head, taps, joins={"root": taps[0].child} if rooted else None)
    network.fans = {"paper": spec.init_fan}
    return network


def _closing(spec: Residual, width: int) -> dict[str, nn.Module]:
    """The layers of `order.pre` that follow the last unit of a pre-activation network."""
    words = spec.order.pre.split()
    return {f"closing_{word}": nn.BatchNorm2d(width) if word == "bn" else nn.ReLU() for word in words}


def _stage(spec: Residual, stage: int) -> nn.Module:
    """The units of a stage and the shortcut of its level. The first unit has stride 2, except in stage 1."""
    pooled = stage > 0 and spec.pooled
    w_in, w_out, stride = entry_of(spec, stage, 0)
    units = Units(*(_unit(spec, stage, i) for i in range(spec.depths[stage])))
    if spec.levels is None:
        return units
    level = None
    if "stage" in spec.levels.around:
        last = stage == len(spec.depths) - 1 and "network" in spec.levels.around
        level = _level(spec, w_in, w_out, stride, activated=not last)
    return LevelStage(units, level, pool=pooled) if level or pooled else units


def _level(spec: Residual, w_in: int, w_out: int, stride: int, *, activated: bool = True) -> Level:
    assert spec.levels is not None
    module: Level = bind(spec.levels)(w_in, w_out, stride, words=spec.order.after if activated else "")
    return module


def entry_of(spec: Residual, stage: int, index: int) -> tuple[int, int, int]:
    """The channels in and out of a unit, and its stride. Stages and units are numbered from 0."""
    before, w_out = spec.streams[stage : stage + 2]
    if index > 0:
        return w_out, w_out, 1
    return before, w_out, 2 if stage > 0 and not spec.pooled else 1


def surroundings_of(spec: Residual, stage: int, index: int) -> Surroundings:
    """The layers around the branch of a unit."""
    w_in, w_out, stride = entry_of(spec, stage, index)
    first, order = stage == index == 0, spec.order
    return Surroundings(
        pre="" if order.skips_pre(first=first) else order.pre,
        after="" if spec.activates_after_level(stage, index) else order.after,
        shares_pre=order.shares_pre(first=first, same=w_in == w_out and stride == 1),
        copies=spec.transform.copies,
    )


def layers_of(spec: Residual, stage: int, index: int) -> list[Layer]:
    """The convolutions of a unit's transform, each with the norm and activation after it."""
    transform = spec.transform
    w_in, _, stride = entry_of(spec, stage, index)
    widths, last = transform.channels(w_in, spec.widths[stage]), len(transform.kernels) - 1
    activated = transform.spatial.ACTIVATED

    def words(i: int) -> str:
        if i == transform.at and activated:
            return ""
        return spec.order.last if i == last else spec.order.between

    return [
        Layer(
            kernel,
            widths[i],
            widths[i + 1],
            stride if i == transform.stride_at else 1,
            spatial=i == transform.at,
            words=words(i),
            bias=spec.conv_bias,
            dropout=transform.dropout if i == 1 else 0,
        )
        for i, kernel in enumerate(transform.kernels)
    ]


def _unit(spec: Residual, stage: int, index: int) -> nn.Module:
    w_in, w_out, stride = entry_of(spec, stage, index)
    place = sum(spec.depths[:stage]) + index + 1
    shortcut = bind(spec.shortcut)(w_in, w_out, stride)
    unit: nn.Module = resolve(spec.transform.unit)(
        layers_of(spec, stage, index),
        bind(spec.transform.spatial),
        surroundings_of(spec, stage, index),
        shortcut=shortcut,
        carry=None if spec.carry is None or isinstance(shortcut, Absent) else bind(spec.carry)(w_out),
        gate=None if spec.gate is None else bind(spec.gate)(w_out),
        merge=bind(spec.merge)(place=(place, sum(spec.depths))),
    )
    return unit
