"""Where a network looks: attribution maps over pictures, for the answer and the class beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.explain.answer import Answer
from cardinet.explain.attribution import METHODS
from cardinet.explain.attribution.integrated_gradients import STEPS, logit_change
from cardinet.explain.attribution.method import Method, check_layer, layer_called, layers_of
from cardinet.explain.map_checks import Worth, joined, randomised, rank_correlation, worth
from cardinet.explain.map_page import RANDOM, Maps, document, lead, limits, sections, strip
from cardinet.explain.pictures import names_and_labels
from cardinet.explain.question import Question, Subject
from cardinet.explain.shown_pictures import Shown, Which, choose, look, number
from cardinet.explain.switches import replica


class Cam(Question):
    """Where does the network look?"""

    LOOSE = True
    ARRAYS = "table"

    method: Literal["grad-cam", "grad-cam++", "integrated-gradients", "occlusion"] = "grad-cam"
    """The method of attribution."""

    layer: str | None = None
    """The stage whose maps are shown, for the methods of Grad-CAM; none: the last one with more than one place."""

    pictures: Annotated[int, Field(ge=1, le=1000)] | None = None
    """The number of pictures; none: 16, and up to 100 of pictures without classes."""

    which: Which = "random"
    """Which pictures: drawn at random, confident (the surest wrong and the surest right answers), mistakes (the surest
    wrong answers), or the first ones.
    """

    points: Annotated[int, Field(ge=2, le=10_000)] = STEPS
    """The points on the line from the baseline to the picture, for integrated gradients; more make the gap smaller."""

    compare: bool = False
    """Whether the figures of all methods are computed; occlusion passes each picture about 225 times."""

    def problems(self, network: Classifier) -> list[str]:
        return ["it has only one class, so there is nothing to decide."] if network.num_classes < 2 else []

    def check(self) -> None:
        method, idle = METHODS[self.method], []
        if self.layer is not None and not method.LAYERED:
            idle.append(f"layer = {self.layer}: {self.method} has no layer, its maps are those of the picture.")
        if self.points != STEPS and not method.COMPLETE:
            idle.append(f"points = {self.points}: {self.method} has no points; integrated-gradients has them.")
        if idle and not self.compare:
            raise RequestError(*idle)

    def answer(self, subject: Subject) -> Answer:
        network = replica(subject.network).eval()
        check_layer(network, self.layer)
        rows, sentence = choose(subject, self.which, number(subject.opened.measured.pictures, self.pictures))
        shown = look(subject, network, rows)
        layer = layer_called(network, self.layer, next(shown.batches())[1][:1])
        names = [self.method, *(name for name in METHODS if self.compare and name != self.method)]
        method, work = METHODS[self.method].with_points(self.points), _Work(subject, network, shown, layer)
        maps = Maps(
            name=self.method,
            method=method,
            layer=layer if method.LAYERED else None,
            answer=work.maps(self.method, method, shown.answers),
            other=work.maps(f"{self.method}, other class", method, shown.others),
            change=work.changes() if method.COMPLETE else None,
            stages=work.stages(method) if method.LAYERED else {},
        )
        worths: dict[str, Worth] = {self.method: work.worth(maps.answer)}
        for name in names[1:]:
            worths[name] = work.worth(work.maps(name, METHODS[name].with_points(self.points), shown.answers))
        worths[RANDOM] = work.worth(_random(maps.answer, subject.seed))
        redrawn = work.redrawn(method, maps.answer, subject.seed)
        found = document(subject.model, shown, maps, worths, redrawn)
        return Answer(
            "Where it looks",
            lead(found),
            sections(subject.model, shown, maps, found, sentence),
            found,
            strip=strip(found),
            limits=limits(subject.model, found),
            arrays=_arrays(subject.model.classes, shown, maps),
        )


class _Work:
    """What is computed for the shown pictures, a few at once."""

    def __init__(self, subject: Subject, network: Classifier, shown: Shown, layer: str) -> None:
        self.subject, self.network, self.shown, self.layer = subject, network, shown, layer

    def maps(self, name: str, method: Method, classes: Tensor, network: Classifier | None = None) -> Tensor:
        """The raw maps of all pictures for some classes, float32 (N, h, w), on the CPU."""
        parts = []
        for where, pixels in self.shown.batches():
            self.subject.progress(name, where.start, len(self.shown))
            parts.append(method.maps(network or self.network, pixels, self._classes(classes, where), self.layer))
        self.subject.progress(name, len(self.shown), len(self.shown))
        return torch.cat([part.float().cpu() for part in parts])

    def stages(self, method: Method) -> dict[str, Tensor]:
        """The map (h, w) of the first picture's answer by stage."""
        pixels = next(self.shown.batches())[1][:1]
        answer = self._classes(self.shown.answers, slice(0, 1))
        return {
            name: method.maps(self.network, pixels, answer, name)[0].float().cpu() for name in layers_of(self.network)
        }

    def changes(self) -> Tensor:
        """The change of the logit of each answer from the baseline to the picture, (N,)."""
        parts = [
            logit_change(self.network, pixels, self._classes(self.shown.answers, where))
            for where, pixels in self.shown.batches()
        ]
        return torch.cat(parts).cpu().double()

    def worth(self, maps: Tensor) -> Worth:
        """What the maps are worth for the answers."""
        parts = []
        for where, pixels in self.shown.batches():
            self.subject.progress("deleting and inserting places", where.start, len(self.shown))
            classes = self._classes(self.shown.answers, where)
            parts.append(worth(self.network, pixels, classes, maps[where].to(pixels.device)))
        return joined(parts)

    def redrawn(self, method: Method, trained: Tensor, seed: int) -> list[tuple[str, list[float]]]:
        """The rank correlation of each picture's map with the trained one, by the child that was drawn anew last."""
        return [
            (name, [rank_correlation(a, b) for a, b in zip(trained, again, strict=True)])
            for name, made in randomised(self.network, seed)
            for again in [self.maps(f"weights drawn anew down to {name}", method, self.shown.answers, made)]
        ]

    def _classes(self, classes: Tensor, where: slice) -> Tensor:
        return classes[where].to(self.shown.device)


def _random(maps: Tensor, seed: int) -> Tensor:
    """Random maps of the same size: the baseline of every figure."""
    return torch.rand(maps.shape, generator=torch.Generator().manual_seed(seed))


def _arrays(classes: Sequence[str], shown: Shown, maps: Maps) -> dict[str, Any]:
    """A row for each picture: its place and class, its pixels (H, W, C) as the network saw them, its logits, the answer
    and the class beside it by number, and the raw map (h, w) of each, float32.
    """
    return {
        **names_and_labels(shown.split, classes),
        "answer": shown.answers.numpy(),
        "other": shown.others.numpy(),
        "logits": shown.logits.numpy(),
        "pictures": shown.pixels.permute(0, 2, 3, 1).numpy(),
        "maps.answer": maps.answer.numpy(),
        "maps.other": maps.other.numpy(),
    }
