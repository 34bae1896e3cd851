"""The summary of an export and its proof, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from cardinet.base.amounts import amount
from cardinet.data.splitting import pictures_of
from cardinet.export.parity import Parity
from cardinet.export.result import Export
from cardinet.runs.model_file import Model

FEW = 200
"""With fewer pictures than this, one picture is more than half a point of the error."""


def sentences(made: Export, model: Model) -> list[str]:
    """The sentences of the summary."""
    judged = made.parity[made.judged]
    if made.split is None:
        on = f"{judged.count:,} random pictures (give real ones with --data to measure its error)"
    else:
        of = "" if judged.count == made.total else f" of {made.total:,}"
        on = f"{judged.count:,}{of} {pictures_of(made.split)} of {made.source}"
    found = [f"Run in its own runtime on {on}:"]
    for name, parity in made.parity.items():
        found.append(f"  {name:14} {_compared(parity)}")
    if judged.disagreements and not made.request.int8:
        found.append(f"Different predictions: {judged.listed()}")
    if made.accuracy_aware:
        found.append(
            "The fully quantized file had an error more than 0.5 points higher; this one was made with accuracy "
            "control, which keeps some layers in float."
        )
    found += _doubts(made)
    found.append("Bytes: " + ", ".join(f"{name} {size:,}" for name, size in made.sizes.items()) + ".")
    for latency in made.latency:
        times = ", ".join(f"{name} {value:.2f} ms" for name, value in latency.median.items())
        found.append(
            f"Batch {latency.batch}, {made.threads} threads, median of {latency.rounds} alternating runs: {times}."
        )
    if made.request.int8:
        ratios = [f"{latency.ratio('float32', 'int8'):.2f}x at batch {latency.batch}" for latency in made.latency]
        found.append(f"The speed of int8 is {' and '.join(ratios)} that of the float32 file.")
    p = model.preprocessing
    order = "grey" if p.channels == 1 else "RGB in this order"
    pixels = f"{p.channels} x {p.crop} x {p.crop} ({order}), decoded, resized and cropped as in the file's metadata"
    inside = ", scaled and normalised in the graph" if made.request.with_preprocessing else ", scaled and normalised"
    if made.temperature != 1.0:
        found.append(
            f"The logits of the file are divided by the temperature {made.temperature:.4g}, as the model's are."
        )
    found.append(f"Input: {made.dtype}, {pixels}{inside}; any number of pictures.")
    return found


def _doubts(made: Export) -> Iterator[str]:
    """Doubts about an int8 file that its figures do not show."""
    judged, half = made.parity[made.judged], made.parity.get("int8+bfloat16")
    if made.request.int8 and judged.count < FEW:
        yield (
            f"{amount(judged.count, 'picture')} cannot measure half a point: one is {100 / judged.count:.1f} "
            "points; use more."
        )
    if half is not None and (problems := half.int8_problems()):
        yield (
            "By default OpenVINO uses bfloat16 on this CPU for layers that are not quantized, which costs too much: "
            f"{' '.join(problems)} Set INFERENCE_PRECISION_HINT to f32, as it was here."
        )


def _compared(parity: Parity) -> str:
    text = (
        f"{100 * parity.agreement:.2f} % the same prediction ({parity.differing:,} differ), logits within "
        f"{parity.relative:.1e} of the largest"
    )
    if parity.wrong_before is None or parity.wrong_after is None:
        return text
    before, after = (100 * wrong / parity.count for wrong in (parity.wrong_before, parity.wrong_after))
    return f"{text}, error {before:.2f} % -> {after:.2f} %"
