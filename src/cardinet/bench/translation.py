"""Translations of the network for other runtimes, each made once and kept in the folder of the subject."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cardinet.bench.work import Subject, Unable

CALIBRATION = 64
"""The random pictures that calibrate an int8 network; the measured ones are drawn in the same way."""


def translated(subject: Subject, format: str, precision: str) -> Path:
    """The file of a format. An int8 one is quantized by NNCF. Raises Unable for a missing library."""
    from cardinet.runtimes.formats import format_named

    made = format_named(format)
    path = subject.folder / f"{'int8' if precision == 'int8' else 'float32'}{made.suffix}"
    if not path.exists():
        _write(subject, format, path, precision == "int8")
    return path


def _write(subject: Subject, format: str, path: Path, int8: bool) -> None:
    from cardinet.base.errors import RequestError
    from cardinet.base.extras import installed
    from cardinet.export.graph import graph_of
    from cardinet.export.metadata import describe
    from cardinet.export.proof_pictures import Pictures
    from cardinet.export.quantize import quantize
    from cardinet.runtimes.formats import format_named

    made = format_named(format)
    if int8 and not installed("nncf"):
        raise Unable('nncf is not installed: pip install "cardinet[export]"')
    model = subject.model()
    preprocessing = model.preprocessing.model_copy(update={"crop": subject.side})
    model = replace(model, preprocessing=preprocessing)
    try:
        program = made.translate(graph_of(model, False), None)
        if int8:
            assert made.int8 is not None
            program = quantize(program, Pictures(None, preprocessing, CALIBRATION, CALIBRATION), "float32", made.int8)
        made.write(program, describe(model, False), path)
    except RequestError as error:
        raise Unable(error.findings[0].rstrip(".")) from None
