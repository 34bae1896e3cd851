"""The sentences of a report."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cardinet.data.augmentations import Augmentation
from cardinet.data.augmenting import in_order
from cardinet.evaluate.intervals import wilson
from cardinet.report.content import LabelOutcome, Outcome, ReportContent
from cardinet.report.number_text import MISSING, NBSP, count, percent, plural, significant


def capital(text: str) -> str:
    """The text with a capital letter at its start."""
    return text[:1].upper() + text[1:]


def headline(content: ReportContent) -> str:
    """The result in a few words, for the title and the first line."""
    shown = content.result or content.validation
    if isinstance(shown, LabelOutcome):
        return f"{percent(shown.mean_average_precision)} {shown.split} mAP"
    if shown is not None and shown.count:
        return f"{percent(shown.error)} {shown.split} error"
    return capital(content.status)


def counted(outcome: Outcome | LabelOutcome) -> str:
    """The basis of the headline: "360 pictures, each counted once"."""
    part = f"{count(outcome.count)} of " if outcome.count < outcome.total else ""
    return f"{part}{plural(outcome.total if part else outcome.count, 'picture')}, each counted once"


def error_interval(outcome: Outcome | LabelOutcome) -> str:
    """The 95 % interval of the error as text; that of 1 - mean average precision if it is known."""
    if isinstance(outcome, LabelOutcome):
        if outcome.interval is None:
            return MISSING
        high, low = (1 - value for value in outcome.interval)
    else:
        low, high = wilson(outcome.wrong, outcome.count)
    return f"{percent(low)} to {percent(high)}"


def lede(content: ReportContent) -> str:
    """The sentences below the headline."""
    shown = content.result or content.validation
    if shown is None or not shown.count:
        return " ".join(["There is no evaluation yet.", *_so_far(content)])
    if isinstance(shown, LabelOutcome):
        return _label_lede(content, shown)
    pictures = plural(shown.count, "picture")
    verb = "is" if shown.wrong == 1 else "are"
    wrong = f"{count(shown.wrong)} of {pictures} {verb} wrong" if shown.wrong else f"Not one of {pictures} is wrong"
    said = [f"{wrong}; the 95\u00a0% interval of the error is {error_interval(shown)}."]
    if shown.top5_wrong is not None:
        said.append(f"Top-5 error {percent(shown.top5_wrong / shown.count)}.")
    if shown.loss is not None:
        said.append(f"Loss {significant(shown.loss)}.")
    if shown.checkpoint:
        said.append(f"Weights: {shown.checkpoint}.")
    also = content.validation
    if content.result is not None and isinstance(also, Outcome) and also.count:
        share = f"{count(also.wrong)}\u00a0of\u00a0{count(also.count)}"
        said.append(f"On the {also.split} data the same weights have {percent(also.error)} error ({share}).")
    return " ".join(said)


def _label_lede(content: ReportContent, shown: LabelOutcome) -> str:
    """The sentences below the headline where a picture may have several labels."""
    verb = "has" if shown.wrong == 1 else "have"
    said = [
        "mAP is the mean average precision of the classes.",
        *_label_interval(shown),
        f"At its thresholds {count(shown.wrong)} of {plural(shown.count, 'picture')} {verb} a wrong label.",
    ]
    if shown.loss is not None:
        said.append(f"Loss {significant(shown.loss)}.")
    if shown.checkpoint:
        said.append(f"Weights: {shown.checkpoint}.")
    also = content.validation
    if content.result is not None and isinstance(also, LabelOutcome):
        said.append(f"On the {also.split} data the same weights have {percent(also.mean_average_precision)} mAP.")
    return " ".join(said)


def _label_interval(shown: LabelOutcome) -> list[str]:
    """The interval of the mean average precision as a sentence, if it is known."""
    if shown.interval is None:
        return []
    low, high = map(percent, shown.interval)
    return [f"Its 95\u00a0% interval is {low} to {high}, by a bootstrap over pictures."]


def _so_far(content: ReportContent) -> list[str]:
    """The state of a run without an evaluation: its last training window."""
    windows = [row for row in content.history if row.get("kind") == "train" and row.get("loss") is not None]
    if not windows:
        return [] if content.history else ["No metrics were written either."]
    last = windows[-1]
    step = f", at step {count(int(last['step']))}," if last.get("step") is not None else ""
    error = f" and an error of {percent(last['error'])}" if last.get("error") is not None else ""
    return [f"The last training window{step} had a loss of {significant(last['loss'])}{error}."]


def augmentation(parts: Mapping[str, Augmentation]) -> str:
    """The augmentation of training pictures, in words; "" if there is none."""
    return re.sub(r"(?<=\d) (?=%|pixel)", NBSP, "; ".join(part.words() for part in in_order(parts)))


def samples(content: ReportContent) -> str:
    """The sentence above the training pictures; `content` has at least one."""
    how = f": {content.augmentation}" if content.augmentation else ", without augmentation"
    return f"The first {plural(len(content.samples), 'picture')} of the first batch, as the network sees them{how}."


def inspected(content: ReportContent) -> str:
    """The result of the check of the pictures, in a sentence."""
    if not content.examined:
        return "The pictures are small and were all decoded into memory; cardinet check-data checks each one."
    if not content.found:
        return f"All {plural(content.examined, 'picture')} were decoded before the run; no problem was found."
    return f"All {plural(content.examined, 'picture')} were decoded before the run. The problems found in them:"


def mistakes(content: ReportContent, outcome: Outcome) -> str:
    """The sentence above the pictures; `content` has at least one."""
    tail = "with the probability that the network gave its own answer and the true class; frequent confusions first"
    shown = len(content.mistakes)
    if shown < outcome.wrong:
        return f"{plural(shown, 'picture')} of {plural(outcome.wrong, 'mistake')}, {tail}."
    return f"The one wrong picture, {tail}." if shown == 1 else f"All {plural(shown, 'mistake')}, {tail}."
