"""A temperature of the logits: `--temperature 1.5`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from cardinet.base.errors import RequestError
from cardinet.base.option import Option
from cardinet.data.labelling import ONE
from cardinet.rewriting.kinds.kind import Kind

if TYPE_CHECKING:
    from cardinet.runs.model_file import Model


class Temperature(Kind):
    """Divide the logits by a temperature, in the place of the one that the model has; 1 removes it."""

    def read(self, given: Any) -> float:
        from cardinet.evaluate.temperature import HIGHEST, LOWEST  # it imports numpy

        if isinstance(given, bool) or not isinstance(given, int | float) or not LOWEST <= given <= HIGHEST:
            raise RequestError(f"--temperature {given}: give a number from {LOWEST:g} to {HIGHEST:g}.")
        return float(given)

    def check_beside(self, others: Collection[str]) -> None:
        if found := [name for name in ("classes", "in_channels") if name in others]:
            raise RequestError(
                f"--temperature holds for the classes and pictures that it was fitted to; change them first "
                f"(--{found[0].replace('_', '-')}), then fit a new one: cardinet explain calibration."
            )

    def check(self, value: float, model: Model) -> None:
        if model.labelling is not ONE:
            raise RequestError(
                "--temperature changes the probabilities of one label for each picture; this model gives several, each "
                "with a threshold. Omit --temperature."
            )
        if value == model.temperature:
            raise RequestError(f"--temperature: the model has the temperature {value:g} already; omit --temperature.")

    def arguments(self, value: float, model: Model) -> Mapping[str, Any]:
        return {"temperature": value, "was": model.temperature}

    def summary(self, training: Mapping[str, Any]) -> Mapping[str, Any]:
        from cardinet.runs.temperature import summary_at_temperature

        return summary_at_temperature(training)


TEMPERATURE = Temperature(
    option=Option(
        name="temperature",
        type=float,
        metavar="T",
        help="Divide the logits by T, which `cardinet explain calibration` finds.",
    ),
)
