"""Whether the probabilities mean what they say, and the temperature that mends them.

Guo et al. 2017 (arXiv 1706.04599). The temperature is fitted on pictures that the training held out, and measured on
others where there are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from cardinet.base.errors import Findings, RequestError
from cardinet.base.output_paths import check_model_name, check_new_file
from cardinet.base.randomness import permutation
from cardinet.data.batches import evaluation_batches
from cardinet.data.splitting import WHOLE, pictures_of
from cardinet.evaluate.calibration import Calibration, calibration, changes
from cardinet.evaluate.outputs import Outputs, outputs
from cardinet.evaluate.pictures import OpenedPictures, was_trained_on
from cardinet.evaluate.temperature import fit_temperature, tempered
from cardinet.explain.answer import Answer
from cardinet.explain.question import Question, Subject
from cardinet.explain.reliability import Found, calibration_answer
from cardinet.rewrite.proof import prove
from cardinet.runs.model_file import Model, save_model
from cardinet.runs.temperature import at_temperature

PROOF = 16
"""The pictures on which the stored network is compared with the measured one."""


class CalibrationQuestion(Question):
    """Do the probabilities mean what they say, and which temperature mends them?"""

    ALSO: ClassVar[tuple[str, ...]] = ("validation",)

    bins: Annotated[int, Field(ge=2, le=1000)] = 15
    """The number of bins of the reliability diagram."""

    resamples: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """The bootstrap samples that give the spread; 0 for none."""

    fit: Literal["validation", "half", "none"] = "validation"
    """The pictures to which a temperature is fitted: those of the validation split, or half of those that are looked
    at; the other half is then measured. none: no temperature.
    """

    store: Path | None = None
    """A new model file with the temperature in its logits."""

    @property
    def also(self) -> tuple[str, ...]:
        return self.ALSO if self.fit == "validation" else ()

    def check(self) -> None:
        if self.store is None:
            return
        findings = Findings()
        with findings:
            check_model_name(self.store)
        with findings:
            check_new_file(self.store)
        with findings:
            if self.fit == "none":
                raise RequestError(f"store = {self.store}: with fit = none there is no temperature; omit one of them.")
        findings.raise_if_any()

    def answer(self, subject: Subject) -> Answer:
        pictures = subject.opened.measured
        if self.fit == "none":
            measured = _outputs(subject, pictures.split)
            before = self._measured(measured.logs, measured, subject.seed)
            return calibration_answer(
                Found(pictures.split, _counts(subject, measured), before), subject.model.temperature
            )
        held_out = self._held_out(subject.model, pictures)
        measured = _outputs(subject, pictures.split)
        if self.fit == "half":
            order = permutation(subject.seed, 0, len(measured.truth))
            half = len(order) // 2
            held, measured = measured.of(np.sort(order[:half])), measured.of(np.sort(order[half:]))
        else:
            held = measured if held_out == pictures.split else _outputs(subject, held_out)
        counts, before = _counts(subject, measured), self._measured(measured.logs, measured, subject.seed)
        try:
            fit = fit_temperature(held.logs, held.truth)
        except RequestError as error:
            if self.store is not None:
                raise
            return calibration_answer(
                Found(pictures.split, counts, before, refused=str(error)), subject.model.temperature
            )
        logs = tempered(measured.logs, fit.value)
        found = Found(
            split=pictures.split,
            counts=counts,
            before=before,
            fit=fit,
            fitted_on=held_out,
            halves=self.fit == "half",
            known=was_trained_on(subject.model, pictures.source),
            after=self._measured(logs, measured, subject.seed),
            change=changes(
                measured.logs, logs, measured.truth, bins=self.bins, resamples=self.resamples, seed=subject.seed
            ),
            stored=self.store,
        )
        if self.store is not None:
            _store(subject, found, self.store)
        return calibration_answer(found, subject.model.temperature)

    def _held_out(self, model: Model, pictures: OpenedPictures) -> str:
        """The split that the temperature is fitted to. Raises RequestError if the training did not hold it out."""
        source, own = pictures.source, was_trained_on(model, pictures.source)
        split = pictures.split if self.fit == "half" or pictures.split == WHOLE else "validation"
        if split not in source.splits:
            raise RequestError(
                f"{source.text} has no validation pictures for a temperature. Name pictures that the model was not "
                "trained on, fit to half of those that are measured (--set fit=half), or fit none (--set fit=none)."
            )
        if split == "train" or (split == WHOLE and own):
            raise RequestError(
                f"A temperature is fitted to pictures that the training held out, and the {pictures_of(split)} of "
                f"{source.text} have training pictures among them; name another --split."
            )
        return split

    def _measured(self, logs: npt.NDArray[np.float64], measured: Outputs, seed: int) -> Calibration:
        return calibration(logs, measured.truth, bins=self.bins, resamples=self.resamples, seed=seed)


def _counts(subject: Subject, measured: Outputs) -> dict[str, int]:
    """The number of pictures by class."""
    classes = subject.model.classes
    return dict(zip(classes, np.bincount(measured.truth, minlength=len(classes)).tolist(), strict=True))


def _outputs(subject: Subject, split: str) -> Outputs:
    return outputs(
        subject.model,
        subject.opened.measured.source.splits[split],
        batch_size=subject.batch_size,
        workers=subject.workers,
        progress=partial(subject.progress, pictures_of(split)),
    )


def _store(subject: Subject, found: Found, path: Path) -> None:
    """Write the model with the temperature. Raises WorkError if its logits are not those at the temperature."""
    assert found.fit is not None
    assert found.after is not None
    model, source = subject.model, subject.opened.measured.source
    about = {
        "data": source.text,
        "split": found.fitted_on,
        "count": found.fit.count,
        "temperature": found.fit.value * model.temperature,
        "standard_error": found.fit.error * model.temperature,
        "measured_on": found.split,
        "before": _short(found.before),
        "after": _short(found.after),
    }
    known = model.training.get(found.split)
    same = isinstance(known, Mapping) and known.get("count") == found.after.count
    losses = {found.split: found.after.nll.value} if same else {}
    warm = at_temperature(model, found.fit.value * model.temperature, about, losses)
    batches = evaluation_batches(
        source.splits[found.fitted_on],
        model.preprocessing,
        batch_size=PROOF,
        workers=0,
        device=subject.device,
    )
    prove(model.network, warm.rewrites[-1], lambda channels: {"real": next(iter(batches)).pixels})
    save_model(path, warm)


def _short(one: Calibration) -> dict[str, float]:
    return {"ece": one.ece.value, "brier": one.brier.value, "nll": one.nll.value}
