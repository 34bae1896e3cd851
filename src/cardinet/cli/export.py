"""`cardinet export`: a model as a file of another runtime, which is run before it is called good."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.base.numbers import THREADS
from cardinet.cli.options import Json, NoBounds, OnBadImage, Set, Workers
from cardinet.cli.talk import print_json, say, show, thousands

if TYPE_CHECKING:
    from cardinet.export.job import Export
    from cardinet.export.parity import Parity
    from cardinet.runs.model_file import Model

FEW = 200
"""Below so many pictures one is more than half a point."""


Format = Annotated[
    str, typer.Option("--format", metavar="onnx|torch-export|openvino", help="The runtime's kind of file.")
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The new file (.onnx, .pt2, .xml); must not exist.")]
Int8 = Annotated[bool, typer.Option("--int8", help="Quantize to 8 bits, calibrated on training pictures.")]
Data = Annotated[
    str | None, typer.Option("--data", metavar="SOURCE", help="What the file is run on; a run knows its own.")
]
Opset = Annotated[int | None, typer.Option("--opset", metavar="N", help="ONNX's operators, 18 to 25.")]
WithPreprocessing = Annotated[
    bool, typer.Option("--with-preprocessing", help="Scale and normalise in the graph: the input is uint8.")
]
Proving = Annotated[int, typer.Option("--pictures", metavar="N", help="At most so many prove the file.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, max=THREADS, metavar="N", help="For every runtime.")]


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or model file.")],
    format: Format,
    out: Out,
    int8: Int8 = False,
    data: Data = None,
    opset: Opset = None,
    with_preprocessing: WithPreprocessing = False,
    pictures: Proving = 10_000,
    threads: Threads = None,
    on_bad_image: OnBadImage = None,
    settings: Set = None,
    workers: Workers = 2,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Write a model for another runtime, run the file over validation pictures there, and say how it compares.

    Nothing is written where a float file predicts other classes, or an int8 file's error grows by over 0.5 points.
    """
    from cardinet.base.errors import Findings
    from cardinet.cli.options import about_pictures, read_model
    from cardinet.cli.progress import Screen
    from cardinet.evaluate.opening import Opened, open_pictures, run_of
    from cardinet.export.job import check_request, export_model
    from cardinet.export.request import Request

    request = Request(
        format=format,
        out=out,
        int8=int8,
        opset=opset,
        with_preprocessing=with_preprocessing,
        pictures=pictures,
        threads=threads,
        workers=workers,
    )
    findings = Findings()
    classifier, known = None, False
    opened: Opened | None = None
    screen = Screen()
    with findings:
        classifier = read_model(model)
    with findings:
        checking = partial(screen.progress, "checking pictures")
        also = ("train", "validation") if int8 else ()
        about = about_pictures(settings, on_bad_image)
        opened = open_pictures(data, about, run=run_of(model), model=classifier, also=also, progress=checking)
        known = True
    source = None if opened is None else opened.source
    with findings:
        check_request(classifier, source, request, pictures_known=known)
    try:
        findings.raise_if_any()
        assert classifier is not None
        for note in () if opened is None else opened.notes:
            screen.said(note)
        made = export_model(classifier, request, source, screen.progress)
    finally:
        screen.close()
    if as_json:
        print_json({"model": model, **made.to_document()})
        return
    show(str(out))
    for sentence in sentences(made, classifier):
        say(sentence)


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
    found.append("Bytes: " + ", ".join(f"{name} {thousands(size)}" for name, size in made.sizes.items()) + ".")
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
