"""What an export has proven, in words."""

from __future__ import annotations

from collections.abc import Iterator

from cardinet.export.parity import Parity
from cardinet.export.result import Export
from cardinet.runs.model_file import Model

FEW = 200
"""Below so many pictures one is more than half a point."""


def sentences(made: Export, model: Model) -> list[str]:
    """What was proven, in words."""
    judged = made.parity[made.judged]
    if made.split is None:
        on = f"{judged.count:,} random pictures (name real ones with --data to know its error)"
    else:
        of = "" if judged.count == made.total else f" of {made.total:,}"
        on = f"{judged.count:,}{of} {made.split} pictures of {made.source}"
    found = [f"Run in its own runtime on {on}:"]
    for name, parity in made.parity.items():
        found.append(f"  {name:14} {_compared(parity)}")
    if judged.disagreements and not made.request.int8:
        found.append(f"Different predictions: {judged.listed()}")
    if made.accuracy_aware:
        found.append(
            "Quantized as a whole, the error grew by more than 0.5 points; this is the file of accuracy control, which "
            "keeps layers in float where that helps."
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
        found.append(f"int8 does {' and '.join(ratios)} the pictures a second of the float32 file.")
    p = model.preprocessing
    order = "grey" if p.channels == 1 else "RGB in this order"
    pixels = f"{p.channels} x {p.crop} x {p.crop} ({order}), decoded, resized and cropped as in the file's metadata"
    inside = ", scaled and normalised in the graph" if made.request.with_preprocessing else ", scaled and normalised"
    found.append(f"Input: {made.dtype}, {pixels}{inside}; any number of pictures.")
    return found


def _doubts(made: Export) -> Iterator[str]:
    """What the figures of an int8 file do not show."""
    judged, half = made.parity[made.judged], made.parity.get("int8+bfloat16")
    if made.request.int8 and judged.count < FEW:
        yield (
            f"{judged.count:,} pictures cannot measure half a point, as one is {100 / judged.count:.1f}; more would "
            "tell more."
        )
    if half is not None and (problems := half.int8_problems()):
        yield (
            "By itself OpenVINO computes what is not quantized in bfloat16 on this CPU, and that costs too much: "
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
