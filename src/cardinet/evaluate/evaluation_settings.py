"""How the pictures of an evaluation are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from cardinet.base.errors import Findings, RequestError
from cardinet.base.whole_numbers import PASSES, WORKERS, require_whole
from cardinet.evaluate.ten_crop import CROPS
from cardinet.runs.prediction import BATCH_SIZE

Crops = Literal[1, 10, "dense"]
"""The views of a picture whose answers are averaged; see `views`."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """The crops and passes whose answers are averaged, the classes that are kept, and the speed.

    With 10 `crops` the probabilities of ten crops are averaged, and the loss is that of the average. With "dense" the
    network slides over the whole picture, and the scores of all places are averaged (`dense`). With several
    `passes` the probabilities of random passes are averaged, drawn from a fixed seed (Swapout's stochastic inference).
    `top` is the number of most probable classes that are kept for each picture. `batch_size` pictures are computed
    together, and `workers` processes decode them; 0: this process decodes them.
    """

    crops: Crops = 1
    passes: int = 1
    top: int = 5
    batch_size: int = BATCH_SIZE
    workers: int = 0

    def check(self) -> None:
        """Raise RequestError with all values that are out of range."""
        findings = Findings()
        with findings:
            require_whole(1, batch_size=self.batch_size)
        with findings:
            require_whole(1, PASSES, passes=self.passes)
        with findings:
            require_whole(0, WORKERS, workers=self.workers)
        with findings:
            if type(self.crops) not in (int, str) or self.crops not in get_args(Crops):
                raise RequestError(f'crops = {self.crops!r}: give 1, {CROPS} or "dense".')
        findings.raise_if_any()


PLAIN = EvaluationSettings()
"""One crop and one pass."""
