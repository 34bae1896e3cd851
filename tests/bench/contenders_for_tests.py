"""Contenders that are quick, wrong or broken in one way each, for a network that is a matrix."""

from __future__ import annotations

import os
from typing import ClassVar

import numpy as np

from cardinet.bench.contender import Contender, Pass
from cardinet.bench.work import Subject, Unable, Work


class Right(Contender):
    """Gives twice the sum of each picture's channels as its logits."""

    name, about = "right", "for tests"
    factor: ClassVar[float] = 2.0

    def inference(self, subject: Subject, work: Work) -> Pass:
        pixels = subject.pixels(work.batch)
        return lambda: (self.factor * pixels.sum((2, 3))).astype(np.float32)


class AlsoRight(Right):
    name = "also-right"


class Wrong(Right):
    """Forgets a layer."""

    name, factor = "wrong", 2.01


class NotANumber(Right):
    name, factor = "nan", float("nan")


class OfAnotherShape(Right):
    name = "shape"

    def inference(self, subject: Subject, work: Work) -> Pass:
        return lambda: np.zeros((work.batch, 1), np.float32)


class Missing(Right):
    name = "missing"
    libraries, extra = ("no_such_library",), "export"


class OnlyBfloat16(Right):
    name = "half"
    precisions = ("bfloat16",)


class Refuses(Right):
    name = "refuses"

    def inference(self, subject: Subject, work: Work) -> Pass:
        raise Unable("it has no such network")


class Breaks(Right):
    name = "breaks"

    def inference(self, subject: Subject, work: Work) -> Pass:
        raise ZeroDivisionError("first line.\nsecond line")


class Dies(Right):
    name = "dies"

    def inference(self, subject: Subject, work: Work) -> Pass:
        os._exit(7)


class FailsLater(Right):
    """Fails while it is timed."""

    name = "later"

    def inference(self, subject: Subject, work: Work) -> Pass:
        right, calls = super().inference(subject, work), [0]

        def once() -> np.ndarray:
            calls[0] += 1
            if calls[0] > 20:
                raise RuntimeError("it is tired")
            return right()

        return once
