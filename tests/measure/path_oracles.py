"""Independent counts of paths: every path listed one by one, and the data flow of the built network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import nn

from cardinet.measure.paths import Measure
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.rewrite.data_flow import Call, Flow, flow_of

LAYERS = ("convolution", "addmm", "mm", "linear")
"""torch's names for the operations of layers with weights."""

WEIGHTS = ("sigmoid", "_softmax", "pow")
"""What makes the weights of a gate, or the divisor of a local response norm, from the values that they weigh.

No path goes on from there: gates and norms are not counted as ways.
"""


def listed(graph: PathGraph, by: Measure, *, each_transform: bool = False) -> Counter[int]:
    """The number of paths by length, from a walk back from the logits that takes every path by itself."""

    def walk(at: int, length: int) -> Iterator[int]:
        if at == 0:
            yield length
            return
        for way in graph.maps[at - 1]:
            for _ in range(way.times * (way.transforms if each_transform else 1)):
                yield from walk(way.start, length + longer(way))

    def longer(way: Way) -> int:
        if by == "units":
            return 1 if way.unit else 0
        if by == "layers":
            return 0 if way.projection else way.layers
        return way.layers

    return Counter(walk(len(graph.maps), 0))


def flowing(network: nn.Module, *, groups: bool = False) -> Counter[int]:
    """The number of paths by layers through the operations of a real pass.

    A value is reached by the paths to all values that its operation reads; a layer makes them longer by one. With
    `groups` a grouped convolution is as many layers side by side.
    """
    flow: Flow = flow_of(network)
    reached: dict[int, Counter[int]] = {flow.picture: Counter({0: 1})}
    for call in flow.calls:
        paths: Counter[int] = Counter()
        for value in call.reads:
            paths.update(reached.get(value, Counter()))
        if call.operation in WEIGHTS:
            paths = Counter()
        if call.operation in LAYERS:
            sides = _groups(call) if groups else 1
            paths = Counter({length + 1: sides * count for length, count in paths.items()})
        for value in call.makes:
            reached[value] = paths
    return reached[flow.output]


def _groups(call: Call) -> int:
    """The groups of a convolution: the only number among its arguments."""
    return int(call.scalars[-1]) if call.operation == "convolution" else 1
