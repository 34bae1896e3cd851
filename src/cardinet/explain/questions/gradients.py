"""How large the gradients are in each layer, and whether they shatter (Balduzzi et al. 2017, arXiv 1702.08591).

Shattering is measured on lines between two pictures: at equally distant points the gradient of one logit by the pixels
is taken, and its autocorrelation along the line. At the start of a training it is compared over the depth of the
network, with and without shortcuts; over the training it is compared between the states that can still be seen.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from cardinet.base.errors import RequestError
from cardinet.base.whole_numbers import SEED
from cardinet.blocks.classifier import Classifier
from cardinet.data.batches import Batch
from cardinet.explain.answer import Answer, Section
from cardinet.explain.batches import at_once, sample
from cardinet.explain.figures import Chart, Line, Table
from cardinet.explain.layer_gradients import LayerGradient, gradient_by_layer
from cardinet.explain.question import Question, Subject
from cardinet.explain.shattering import autocorrelation, half_length, input_gradients, line, noise
from cardinet.explain.training_states import START, State, new_network, training_states
from cardinet.measure.available_memory import require_bytes
from cardinet.measure.paths import depth_of
from cardinet.networks.spec import NetworkSpec

WITH, WITHOUT, AS_IT_IS = "with shortcuts", "without shortcuts", "as described"


class Gradients(Question):
    """How large are the gradients in each layer, and do they shatter with depth?"""

    TRAINED: ClassVar[bool] = False

    pictures: Annotated[int, Field(ge=2, le=4096)] = 64
    """The number of pictures whose loss is differentiated, and whose statistics BN gets in new networks."""

    lines: Annotated[int, Field(ge=1, le=1000)] = 4
    """The lines, each between two of the pictures; for new networks each has weights of its own."""

    points: Annotated[int, Field(ge=32, le=4096)] = 256
    """The points of a line, at equal distances."""

    lags: Annotated[int, Field(ge=1, le=15)] = 15
    """The largest distance in points at which gradients are compared."""

    depths: Annotated[int, Field(ge=1, le=8)] = 3
    """The depths that are compared: the network's own, half of it, a quarter, and so on."""

    def answer(self, subject: Subject) -> Answer:
        batch = sample(subject, self.pictures)
        if len(batch.labels) < 2:
            raise RequestError("gradients: a line goes from one picture to another, and there is only one; give more.")
        size = self.points * batch.pixels[0].numel()  # a line, its gradients, and both centred in float64
        require_bytes(32 * size, str(subject.device), f"A line of {self.points:,} points")
        states, said = training_states(subject, batch.pixels)
        layers = {state.name: self._by_layer(state, subject, batch) for state in states}
        along = {state.name: self._along_lines(state, subject, batch) for state in states}
        depths, why_not = self._by_depth(subject, batch)
        noises = {f"{kind} noise": noise(kind, self.points, self.lags) for kind in ("brown", "white")}
        step = _step(batch.pixels, self._pairs(subject, batch), self.points)
        sections = [
            _layer_section(layers),
            _state_section(along, noises, step),
            *([_depth_section(depths, noises)] if depths else []),
        ]
        last = list(states)[-1].name
        document: dict[str, Any] = {
            "layers": {
                name: [{**vars(one), "relative": one.relative} for one in rows] for name, rows in layers.items()
            },
            "autocorrelation": {name: values.tolist() for name, values in (along | noises).items()},
            "depths": [one.document() for one in depths],
            "step": step,
        }
        strip = {
            "points of a line": f"{self.points}",
            "correlation of neighbours": f"{float(along[last][1]):.3f}",
            "falls to one half after": _points(half_length(along[last]), self.lags),
            "layers with weights": f"{len(layers[last])}",
        }
        limits = [
            *said,
            "The gradients are those in eval mode: pictures do not influence each other through BN, and nothing is "
            "dropped.",
            "Lines go straight from one picture to another, so the points between them are no pictures of the data.",
            *why_not,
        ]
        return Answer("Gradients", _lead(along, depths), sections, document, strip, limits)

    def _by_layer(self, state: State, subject: Subject, batch: Batch) -> list[LayerGradient]:
        subject.progress(f"gradients by layer, {state.name}", 0, 1)
        size = at_once(subject, batch.pixels)
        parts = zip(batch.pixels.split(size), batch.labels.split(size), strict=True)
        return gradient_by_layer(state.network, parts)

    def _pairs(self, subject: Subject, batch: Batch) -> list[tuple[int, int]]:
        """The pictures between which the lines go, as places in the batch, drawn from the seed."""
        generator, places = random.Random(subject.seed), range(len(batch.labels))
        drawn_pairs = (generator.sample(places, 2) for _ in range(self.lines))
        return [(start, end) for start, end in drawn_pairs]

    def _along_lines(self, state: State, subject: Subject, batch: Batch) -> Tensor:
        """The autocorrelation of the gradient for a state, averaged over the lines."""
        return self._correlations(lambda place: state.network, subject, batch, f"lines, {state.name}")[0]

    def _correlations(
        self, network_of: Callable[[int], Classifier], subject: Subject, batch: Batch, what: str
    ) -> tuple[Tensor, float]:
        """The mean autocorrelation over the lines, and the mean norm of the gradient, with a network for each line."""
        found, norms = [], []
        pairs = self._pairs(subject, batch)
        for place, (start, end) in enumerate(pairs):
            subject.progress(what, place, len(pairs))
            inputs = line(batch.pixels[start], batch.pixels[end], self.points)
            logit, size = int(batch.labels[start]), at_once(subject, batch.pixels)
            gradients = input_gradients(network_of(place), inputs, logit, size)
            found.append(autocorrelation(gradients, self.lags))
            norms.append(float(gradients.flatten(1).double().norm(dim=1).mean()))
        return torch.stack(found).mean(0), sum(norms) / len(norms)

    def _by_depth(self, subject: Subject, batch: Batch) -> tuple[list[AtDepth], list[str]]:
        """New networks of several depths with and without shortcuts, or none and the reason."""
        spec = subject.model.spec
        shallower = _depths(spec, self.depths)
        if not shallower:
            return [], ["The description of this network has no number of units by stage, so its depth is not varied."]
        plain = spec.without_shortcuts()
        series = {WITH: shallower, WITHOUT: _depths(plain, self.depths)} if plain is not None else {AS_IT_IS: shallower}
        found = []
        for name, specs in series.items():
            for one in specs:
                layers = depth_of(one.path_graph())

                def new(place: int, spec: NetworkSpec = one) -> Classifier:
                    return new_network(spec, (subject.seed + place) % (SEED + 1), batch.pixels)

                values, norm = self._correlations(new, subject, batch, f"{layers} layers {name}")
                found.append(AtDepth(name, layers, values, norm))
        said = [] if plain is not None else ["This network has no form without shortcuts to compare with."]
        return found, said


@dataclass(frozen=True)
class AtDepth:
    """New networks of one depth: the autocorrelation (lags + 1,) and the mean norm of the gradient of a logit."""

    series: str
    layers: int
    correlations: Tensor
    norm: float

    def document(self) -> dict[str, Any]:
        return {
            "series": self.series,
            "layers": self.layers,
            "autocorrelation": self.correlations.tolist(),
            "norm": self.norm,
        }


def _depths(spec: NetworkSpec, count: int) -> list[NetworkSpec]:
    """The description with a 2^(count - 1)-th to all of its units in each stage, at least one; empty if it has none."""
    depths, path = getattr(spec, "depths", None), getattr(spec, "path", None)
    if depths is None or path:  # a base net has one line for each of its units
        return []
    shares = [2.0**-k for k in reversed(range(count))]
    fewer = dict.fromkeys(tuple(max(1, round(depth * share)) for depth in depths) for share in shares)
    return [spec.but(depths=one) for one in fewer]


def _step(pixels: Tensor, pairs: Iterable[tuple[int, int]], points: int) -> float:
    """The mean distance of two neighbouring points of a line, as a share of the mean norm of a picture."""
    lengths = [float((pixels[a] - pixels[b]).norm()) for a, b in pairs]
    norm = float(pixels.flatten(1).norm(dim=1).mean())
    return sum(lengths) / len(lengths) / (points - 1) / norm if norm else 0.0


def _points(lag: float, lags: int) -> str:
    return f"more than {lags} points" if math.isinf(lag) else f"{lag:.1f}\u00a0points"


def _lead(along: Mapping[str, Tensor], depths: Sequence[AtDepth]) -> list[str]:
    now = ", ".join(f"{_rounded(float(values[1]))} ({name})" for name, values in along.items())
    compared = []
    for name in dict.fromkeys(one.series for one in depths):
        own = [one for one in depths if one.series == name]
        at = [f"{_rounded(float(one.correlations[1]))} at {one.layers} layers" for one in (own[0], own[-1])]
        compared.append(f"{name} it is {' and '.join(dict.fromkeys(at))}")
    found = [f"The correlation of the gradients at neighbouring points of a line between two pictures is {now}."]
    return [*found, *([f"In new networks {'; '.join(compared)}."] if compared else [])]


def _rounded(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"


def _layer_section(layers: Mapping[str, Sequence[LayerGradient]]) -> Section:
    norms = [Line(name, _positive(rows, lambda one: one.gradient), dots=True) for name, rows in layers.items()]
    relative = [Line(name, _positive(rows, lambda one: one.relative), dots=True) for name, rows in layers.items()]
    columns = ("layer", *(f"{name}, {what}" for name in layers for what in ("norm", "relative")))
    first = next(iter(layers.values()))
    rows: list[list[str | float]] = [
        [one.name, *(value for state in layers.values() for value in (state[i].gradient, state[i].relative))]
        for i, one in enumerate(first)
    ]
    return Section(
        "How large the gradient is in each layer",
        [
            "The gradient of the mean loss by the weights of each convolution and linear layer, in the order of the "
            "network. The second figure divides it by the norm of the weights."
        ],
        [
            Chart("Norm of the gradient", "layer", "norm", norms, scale="log"),
            Chart("Norm of the gradient / norm of the weights", "layer", "ratio", relative, scale="log"),
            Table("Every layer", columns, rows, folded=True),
        ],
    )


def _positive(rows: Sequence[LayerGradient], value: Callable[[LayerGradient], float]) -> list[tuple[float, float]]:
    return [(i, value(one)) for i, one in enumerate(rows, 1) if value(one) > 0]


def _curve(name: str, values: Tensor, *, dots: bool = True) -> Line:
    return Line(name, [(float(lag), float(value)) for lag, value in enumerate(values.tolist())], dots=dots)


def _state_section(along: Mapping[str, Tensor], noises: Mapping[str, Tensor], step: float) -> Section:
    lines = [_curve(name, values) for name, values in along.items()]
    lines += [_curve(name, values, dots=False) for name, values in noises.items()]
    return Section(
        "How alike neighbouring gradients are",
        [
            "The gradient of one logit by the pixels, at the points of lines between two pictures. Its autocorrelation "
            "falls slowly where neighbouring points have like gradients, as in brown noise, and at once where they are "
            f"shattered, as in white noise. A step is {100 * step:.2g} % of the norm of a picture."
        ],
        [Chart("Autocorrelation of the gradient", "distance, points", "autocorrelation", lines)],
    )


def _depth_section(depths: Sequence[AtDepth], noises: Mapping[str, Tensor]) -> Section:
    series = list(dict.fromkeys(one.series for one in depths))
    by_lag = [_curve(f"{one.layers} {one.series.removesuffix(' shortcuts')}", one.correlations) for one in depths]
    neighbours = [
        Line(name, [(one.layers, float(one.correlations[1])) for one in depths if one.series == name], dots=True)
        for name in series
    ]
    brown = float(noises["brown noise"][1])
    rows = [
        (
            one.layers,
            one.series,
            float(one.correlations[1]),
            _points(half_length(one.correlations), len(one.correlations) - 1),
            one.norm,
        )
        for one in depths
    ]
    note = "with and without shortcuts" if len(series) > 1 else ""
    columns = ("layers", "network", "correlation of neighbours", "falls to one half after", "norm of the gradient")
    return Section(
        f"With depth, {START}",
        [
            "Networks of this description with fewer units in each stage, at the start of a training. Each line has "
            "weights of its own, drawn from the seed."
        ],
        [
            Chart(
                "Correlation of neighbouring gradients",
                "layers",
                "correlation",
                neighbours,
                level=(brown, "brown noise"),
            ),
            Chart("Autocorrelation by layers", "distance, points", "autocorrelation", by_lag, note=note),
            Table("Every depth", columns, rows),
        ],
    )
