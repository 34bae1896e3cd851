"""The figures of an evaluation in words, for every place that shows them in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cardinet.base.amounts import amount


def result_words(split: str, figures: Mapping[str, Any]) -> str:
    """The result of a split as a sentence without its end: `test error 1.20 %: 12 of 1,000 pictures wrong`."""
    return WORDS[figures.get("labels", "one")](f"{split} " if split else "", figures)


def measure_words(figures: Mapping[str, Any]) -> tuple[str, str]:
    """The name of the figure that a run makes better, and its value, as in `error` and `1.20 %`."""
    if figures.get("labels", "one") == "several":
        return "mAP", f"{100 * figures['mean_average_precision']:.2f} %"
    return "error", f"{100 * figures['error']:.2f} %"


def _one(split: str, figures: Mapping[str, Any]) -> str:
    return (
        f"{split}error {100 * figures['error']:.2f} %: {figures['wrong']:,} of "
        f"{amount(figures['count'], 'picture')} wrong"
    )


def _several(split: str, figures: Mapping[str, Any]) -> str:
    wrong, count = figures["wrong"], figures["count"]
    return (
        f"{split}mean average precision {100 * figures['mean_average_precision']:.2f} %: {wrong:,} of "
        f"{amount(count, 'picture')} with a wrong label"
    )


WORDS: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {"one": _one, "several": _several}
"""By the number of labels of a picture (`data.labelling`)."""
