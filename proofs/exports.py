"""Proof: every network as ONNX, OpenVINO and torch.export files, which give its logits in their own runtimes.

command   PYTHONPATH=tests python proofs/exports.py [PATTERN ...] [--formats NAME,...] [--results FILE] [--seconds N]
expected  a row a network, no cell with "FAIL", and exit code 0; 1 where anything fails
time      5 to 60 s a network on a CPU core, some minutes where there are hundreds of layers

A cell is the largest difference of a logit, as a share of the network's largest, over 1, 3 and 8 random pictures as
small as the network takes; BN has statistics of a few pictures. More than 1e-3 fails where it is also more than ten
times what the network itself rounds. The input is uint8, with the preprocessing in the
graph. With `--results` the rows are kept in FILE, and those that stand there are not run again, so that the proof can
be run in parts: `--seconds` starts no network later.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from cardinet.base.rounding import float32_limit
from cardinet.export.graph import graph_of
from cardinet.export.metadata import describe
from cardinet.export.runner import TorchRunner, open_exported
from cardinet.networks.family import Named
from cardinet.runtimes.formats import FORMATS
from export.exported import model_of, pixels
from networks.citizen import subject
from table import FAIL, arguments, failure, prove


def cells(row: Named, formats: list[str]) -> dict[str, str]:
    """The difference of each format."""
    model = model_of(subject(row))
    found = {}
    about = describe(model, with_preprocessing=True)
    torch_runner = TorchRunner(model.network, model.preprocessing)
    with tempfile.TemporaryDirectory() as folder:
        program = graph_of(model, with_preprocessing=True)
        for format in formats:
            path = Path(folder) / f"a{FORMATS[format].suffix}"
            try:
                FORMATS[format].write(FORMATS[format].translate(program, None), about, path)
                runner, worst = open_exported(path), 0.0
                for count in (1, 3, 8):
                    x = pixels(model, count).numpy()
                    expected, logits = torch_runner.logits(x), runner.logits(x)
                    worst = max(worst, float(abs(logits - expected).max() / abs(expected).max()))
                good = worst <= float32_limit(worst, lambda: torch_runner.rounding(pixels(model, 8).numpy()))
                found[format] = f"{worst:.1e}" if good else f"{FAIL} {worst:.1e}"
            except Exception as error:
                found[format] = failure(error)
    return found


def main() -> int:
    parser = arguments("Export every network in every format and run the files.")
    parser.add_argument("--formats", default=",".join(FORMATS), help=f"of {', '.join(FORMATS)}")
    options = parser.parse_args()
    formats = options.formats.split(",")
    if unknown := set(formats) - set(FORMATS):
        parser.error(f"unknown formats: {', '.join(sorted(unknown))}")
    torch.set_grad_enabled(False)
    return prove(options, formats, lambda row: cells(row, formats))


if __name__ == "__main__":
    raise SystemExit(main())
