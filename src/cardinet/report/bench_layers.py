"""Where the time of a pass goes: its table and its section of the page."""

from __future__ import annotations

from collections.abc import Iterator

from cardinet.bench.layer_times import LayerTimes
from cardinet.explain.answer import Section
from cardinet.explain.figures import Bar, Bars, Table
from cardinet.report.number_text import MISSING

LAYER_COLUMNS = ("kind", "ms", "share", "floor ms", "x floor")


def layer_title(layers: LayerTimes) -> str:
    """The work in words, with the time of a pass without and with the profiler."""
    work = layers.work
    return (
        f"{layers.contender}, {work.measure}, {work.precision}, batch {work.batch}; a pass takes {layers.plain:.4g} "
        f"ms, under the profiler {layers.profiled:.4g} ms, to which the kinds add up"
    )


def layer_cells(layers: LayerTimes) -> Iterator[tuple[str, ...]]:
    """The rows of the table, in the order of the kinds, and their sum."""
    for kind, time in layers.kinds.items():
        floor = layers.floors.get(kind)
        yield (
            kind,
            f"{time:.4g}",
            f"{100 * time / layers.profiled:.1f} %",
            MISSING if floor is None else f"{floor:.3g}",
            MISSING if not floor else f"{time / floor:.3g}",
        )
    yield ("all", f"{sum(layers.kinds.values()):.4g}", "100 %", f"{sum(layers.floors.values()):.3g}", "")


def layer_section(layers: LayerTimes) -> Section:
    """The section of the page: bars of each kind beside its floor, and the table."""
    work, bars = layers.work, []
    for kind, time in layers.kinds.items():
        bars.append(Bar(kind, time))
        if (floor := layers.floors.get(kind)) is not None:
            bars.append(Bar(kind, floor, series=1))
    return Section(
        f"Where the time goes: {work.measure}, {work.precision}, batch {work.batch}",
        (
            f"A pass of {layers.contender} takes {layers.plain:.4g} ms; under the profiler it takes "
            f"{layers.profiled:.4g} ms, to which the kinds add up. A floor is the time of its multiply-adds "
            "or of its bytes at the measured peaks, if each operation moves its inputs and outputs once.",
        ),
        (
            Bars("Time by kind", "", "milliseconds", bars, series=("measured", "floor")),
            Table("Kinds", LAYER_COLUMNS, [*layer_cells(layers)]),
        ),
    )
