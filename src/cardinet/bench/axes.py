"""The axes of growth: what a benchmark can be repeated over, each with the variants of the request for its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cardinet.base.amounts import amount
from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.settings import parse_group
from cardinet.bench.request import Request
from cardinet.measure.paths import depth_of
from cardinet.measure.plan import plan
from cardinet.measure.spanned import Span, spanned
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual

MOST = 40
"""The most values of an axis."""


@dataclass(frozen=True)
class Variant:
    """A value of an axis: its place on it, a name for tables, and the request that measures it."""

    place: float
    name: str
    request: Request


@dataclass(frozen=True)
class Axis:
    """One thing that grows. `fixed` says what stays the same beside it. `variants` raises RequestError."""

    name: str
    about: str
    fixed: str
    whole: bool
    variants: Callable[[Request, Sequence[Any]], Iterator[Variant]]


def _batch_sizes(request: Request, values: Sequence[int]) -> Iterator[Variant]:
    for value in values:
        yield Variant(value, str(value), replace(request, batch_sizes=(str(value),)))


def _input_sizes(request: Request, values: Sequence[int]) -> Iterator[Variant]:
    for value in values:
        yield Variant(value, f"{value} px", replace(request, input_size=value))


def _threads(request: Request, values: Sequence[int]) -> Iterator[Variant]:
    for value in values:
        yield Variant(value, str(value), replace(request, threads=value))


def _cardinalities(request: Request, values: Sequence[int]) -> Iterator[Variant]:
    spec, side = _residual(request, "cardinality")
    for row in plan(spec, values, "macs", side):
        delta = {"transform.spatial.cardinality": row.cardinality, "transform.base_width": row.base_width}
        yield Variant(row.cardinality, f"{row.cardinality}x{row.base_width}d", _with(request, delta))


def _depths(request: Request, values: Sequence[int]) -> Iterator[Variant]:
    """The networks whose depth is nearest to each value; the stages keep their proportion."""
    spec, _ = _residual(request, "depth")
    own = depth_of(spec.path_graph())
    per_unit = (depth_of(_deeper(spec, 2).path_graph()) - own) / sum(spec.depths)
    beside = own - per_unit * sum(spec.depths)
    for value in values:
        variant = _deeper(spec, (value - beside) / (per_unit * sum(spec.depths)))
        depth = depth_of(variant.path_graph())
        yield Variant(depth, _named(depth, variant.depths), _with(request, {"depths": variant.depths}))


def _widths(request: Request, values: Sequence[float]) -> Iterator[Variant]:
    spec, _ = _residual(request, "width")
    for value in values:
        (variant,) = spanned(spec, Span(width=(value,))).values()
        yield Variant(value, _named(value, variant.widths), _with(request, {"widths": variant.widths}))


def _named(value: float, of_stages: Sequence[int]) -> str:
    return f"{value:g} ({','.join(map(str, of_stages))})"


AXES = {
    axis.name: axis
    for axis in (
        Axis("batch-size", "the pictures of a pass", "the network", True, _batch_sizes),
        Axis("input-size", "the side of the pictures in pixels", "the network", True, _input_sizes),
        Axis("threads", "the threads of a pass", "the network", True, _threads),
        Axis("cardinality", "the groups C", "the MACs, by the nearest base width", True, _cardinalities),
        Axis("depth", "the layers with weights", "the widths and the proportion of the stages", True, _depths),
        Axis("width", "the factor of the widths", "the depth", False, _widths),
    )
}


def over(text: str, request: Request) -> tuple[Axis, tuple[Variant, ...]]:
    """The axis and the variants of "AXIS=V,V,V", in growing order, each place once.

    Raises RequestError with all faults.
    """
    name, _, typed = text.partition("=")
    axis = AXES.get(name.strip())
    if axis is None:
        raise RequestError(f'--over "{text}": there is no axis "{name}" ({nearest(name, AXES)}).')
    words = [word.strip() for word in typed.split(",")]
    values, findings = [], Findings()
    for word in words:
        with findings:
            values.append(_value(axis, word))
    with findings:
        if len(set(words)) < 2:
            raise RequestError(f'--over "{text}": give two or more values, as in {axis.name}=1,2,4.')
        if len(words) > MOST:
            raise RequestError(f"--over has {amount(len(words), 'value')}; give at most {MOST}.")
    findings.raise_if_any()
    found = {variant.place: variant for variant in axis.variants(request, sorted(set(values)))}
    if len(found) < 2:
        raise RequestError(f'--over "{text}": these values make one and the same network; give others.')
    return axis, tuple(found[place] for place in sorted(found))


def _value(axis: Axis, word: str) -> float:
    kind, most = ("whole numbers from 1", 1_000_000) if axis.whole else ("factors from 0.01", 100)
    try:
        value: float = int(word) if axis.whole else float(word)
    except ValueError:
        value = -1
    if not (1 if axis.whole else 0.01) <= value <= most:
        raise RequestError(f'--over {axis.name}: "{word}" is wrong; give {kind} to {most:,}.')
    return value


def _residual(request: Request, axis: str) -> tuple[Residual, int]:
    """The description of a named residual network, with the settings of the request, and the side of its pictures."""
    row = find(request.model) if isinstance(request.model, str) else None
    if row is None:
        raise RequestError(f"--over {axis} changes the network, so give the name of a network, not a trained model.")
    spec = row.spec.but(**{**parse_group(request.words, "network"), **request.delta})
    if not isinstance(spec, Residual):
        raise RequestError(f"--over {axis} is for residual networks such as resnet50, and {request.model} is none.")
    return spec, request.input_size or row.input_size


def _deeper(spec: Residual, factor: float) -> Residual:
    (variant,) = spanned(spec, Span(depth=(factor,))).values()
    return variant


def _with(request: Request, delta: dict[str, Any]) -> Request:
    return replace(request, delta={**request.delta, **delta})
