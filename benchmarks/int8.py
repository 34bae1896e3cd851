"""Benchmark: an int8 file against the float32 and the bfloat16 one of the same network, in turn, and their errors.

command   python benchmarks/int8.py resnet20_cifar --weights ../shared/data/weights/resnet20-12fca82f.th \
              --data parquet:../shared/data/cifar10 --mean .485,.456,.406 --std .229,.224,.225
          python benchmarks/int8.py resnet50 --side 224
expected  error at most 0.5 points above the network's; the better int8 contender at least 2x the pictures a second of
          float32 and 1.2x of bfloat16, and exit code 0. With AMX, resnet20_cifar misses the last (1.0x), exit code 1
time      2 to 5 minutes on 2 cores

In each round every contender runs twice and its second run counts; the order turns from round to round. A ratio is the
median of the rounds' ratios (its quartiles behind it), as other work on the machine meets both of a round; the last
figure is the ratio of the fastest tenths, which other work hardly touches. Without `--weights` the network has
fresh weights with BN statistics of random pictures, which calibrate it too: that shows its speed and nothing else.
"bfloat16" is what OpenVINO computes in by default where the hardware has it; "int8+bfloat16" is the int8 file so.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import tempfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cardinet.build.builder import build
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source, open_source
from cardinet.export.graph import graph_of
from cardinet.export.latency import Latency, latencies
from cardinet.export.metadata import describe
from cardinet.export.parity import Parity, compare
from cardinet.export.proof_pictures import Pictures, calibration_pictures, fed, feed, proof_pictures
from cardinet.export.runner import Array, Runner, TorchRunner, open_exported
from cardinet.networks.registry import find
from cardinet.runs.environment import hardware, versions
from cardinet.runs.model_file import Model
from cardinet.runtimes.formats import FORMATS
from cardinet.runtimes.formats.openvino import core
from cardinet.runtimes.formats.quantize import quantize
from cardinet.train.pretrained import pretrained
from cardinet.weights.weight_source import read_weights

LEAST = {"float32": 2.0, "bfloat16": 1.2}
POINTS = 0.005


def trained(arguments: argparse.Namespace) -> tuple[Model, Source]:
    """A named network with weights from a file, and the pictures it is for."""
    source = open_source(arguments.data, DataSettings())
    model, _ = pretrained(find(arguments.network), {}, read_weights(arguments.weights), source, "cpu")
    given = {name: tuple(map(float, getattr(arguments, name).split(","))) for name in ("mean", "std")}
    return replace(model, preprocessing=model.preprocessing.model_copy(update=given)), source


def fresh(arguments: argparse.Namespace) -> Model:
    """A named network with fresh weights and BN statistics of random pictures."""
    row, side = find(arguments.network), arguments.side
    torch.manual_seed(0)
    network = build(row.spec)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.randn(8, row.spec.in_channels, side, side))
    p = Preprocessing(channels=3, crop=side, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    return Model(network.eval(), row.spec, tuple(map(str, range(network.num_classes))), p)


class Streams:
    """An OpenVINO file in several streams of one thread each: as many parts of a batch side by side."""

    def __init__(self, path: Path, streams: int, precision: str) -> None:
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": streams,
            "NUM_STREAMS": streams,
            "PERFORMANCE_HINT": "THROUGHPUT",
        }
        compiled = core().compile_model(core().read_model(str(path)), "CPU", settings)
        self.requests = [compiled.create_infer_request() for _ in range(streams)]

    def logits(self, pixels: Array) -> Array:
        parts = np.array_split(pixels, len(self.requests))
        started = [(request, part) for request, part in zip(self.requests, parts, strict=True) if len(part)]
        for request, part in started:
            request.start_async([part])
        for request, _ in started:
            request.wait()
        return np.concatenate([request.get_output_tensor(0).data for request, _ in started])


def contenders(
    model: Model, calibration: Pictures, folder: Path, format: str, threads: int, streams: int
) -> dict[str, Runner]:
    """The float and the int8 file of a network, opened, each in every precision that the runtime has for it."""

    def opened(path: Path, precision: str) -> Runner:
        if streams > 1:
            return Streams(path, streams, precision)
        return open_exported(path, threads=threads, precision=precision)

    kind, about = FORMATS[format], describe(model, with_preprocessing=False)
    first = kind.translate(graph_of(model, with_preprocessing=False), None)
    assert kind.int8 is not None
    found: dict[str, Runner] = {}
    for name, made in (("float32", first), ("int8", quantize(first, fed(calibration, "float32"), kind.int8))):
        path = folder / f"{name}{kind.suffix}"
        kind.write(made, about, path)
        found[name] = opened(path, "f32")
        for other, precision in kind.precisions().items():
            found[other if name == "float32" else f"{name}+{other}"] = opened(path, precision)
    return found


def summarise(latency: Latency, name: str) -> dict[str, Any]:
    """The figures of a contender: milliseconds, pictures a second, and how many times those of the others."""
    figures: dict[str, Any] = {
        "milliseconds": latency.median[name],
        "quartiles": latency.quartiles(name),
        "pictures a second": 1000 * latency.batch / latency.median[name],
        "fastest tenth": _fastest(latency, name),
    }
    for other in LEAST:
        if other in latency.times and other != name:
            ratios = latency.ratios(other, name)
            low, middle, high = statistics.quantiles(ratios, n=4)
            figures[f"times {other}"] = {"median": middle, "quartiles": (low, high), "n": len(ratios)}
    return figures


def _fastest(latency: Latency, name: str) -> float:
    """The milliseconds that the fastest tenth of the runs stayed below: as on a machine that does nothing else."""
    return float(statistics.quantiles(latency.times[name], n=10)[0])


def report(result: dict[str, Any]) -> bool:
    """Print the figures; whether the bounds are met."""
    for name, parity in result["parity"].items():
        before, after = (f"{100 * parity[key]:.2f} %" for key in ("error_before", "error_after"))
        same = f"{100 * parity['agreement']:.2f} % the same"
        print(f"{name:14} error {before} -> {after} of {parity['count']:,} pictures, {same}")
    speed = result["speed"]
    for name, about in speed.items():
        low, high = about["quartiles"]
        cells = [
            f"{about['milliseconds']:9.3f} ms ({low:.3f} to {high:.3f})",
            f"{about['pictures a second']:8.1f} img/s",
        ]
        for other in LEAST:
            if f := about.get(f"times {other}"):
                quiet = speed[other]["fastest tenth"] / about["fastest tenth"]
                cells.append(
                    f"{f['median']:.2f}x {other} ({f['quartiles'][0]:.2f} to {f['quartiles'][1]:.2f}; {quiet:.2f}x)"
                )
        print(f"{name:14} {', '.join(cells)}")
    print(
        f"batch {result['batch']}, {result['threads']} threads, {result['streams']} streams, {result['rounds']} rounds"
    )
    print(f"command   {result['command']}")
    print("versions  " + ", ".join(f"{name} {version}" for name, version in result["versions"].items()))
    print(f"hardware  {', '.join(result['hardware'].values())}")
    int8 = [about for name, about in speed.items() if "int8" in name]
    best = {other: max(about[f"times {other}"]["median"] for about in int8) for other in LEAST if other in speed}
    parity = result["parity"].get("int8")
    met = all(best[name] >= LEAST[name] for name in best)
    if parity is not None:
        met = met and parity["error_after"] - parity["error_before"] <= POINTS
    print("outcome   " + ("the bounds are met" if met else "the bounds are NOT met"))
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("--weights", help="a file of parameters; then --data too")
    parser.add_argument("--data")
    parser.add_argument("--mean", default="0.485,0.456,0.406")
    parser.add_argument("--std", default="0.229,0.224,0.225")
    parser.add_argument("--side", type=int, default=224, help="pixels, without --weights")
    parser.add_argument("--format", choices=["openvino", "onnx"], default="openvino")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--streams", type=int, default=1, help="batches side by side, a thread each (openvino)")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=1000, help="at most")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    if arguments.streams > 1 and (arguments.format != "openvino" or arguments.streams != arguments.threads):
        parser.error("--streams: OpenVINO alone has streams, and as many as there are threads")
    torch.set_num_threads(arguments.threads)
    parity: dict[str, Parity] = {}
    if arguments.weights:
        model, source = trained(arguments)
        proof = proof_pictures(source, model.preprocessing, 10_000)
        calibration = calibration_pictures(source, model.preprocessing)[0]
    else:
        model = fresh(arguments)
        proof = calibration = Pictures(None, model.preprocessing, 32, 32)
    with tempfile.TemporaryDirectory() as folder:
        files = contenders(model, calibration, Path(folder), arguments.format, arguments.threads, arguments.streams)
        if arguments.weights:
            network = TorchRunner(model.network, model.preprocessing)
            parity = compare(network, files, proof, model.classes, "float32")
        pixels = feed(next(iter(proof.batches(arguments.batch))), model.preprocessing, "float32")
        (latency,) = latencies(
            files,
            pixels,
            batches=(arguments.batch * arguments.streams,),
            seconds=arguments.seconds,
            most=arguments.rounds,
        )
    result: dict[str, Any] = {"command": shlex.join(["python", *sys.argv]), "batch": arguments.batch}
    libraries = ("onnx", "onnxscript", "onnxruntime", "openvino", "nncf")
    result |= {"versions": versions() | {name: metadata.version(name) for name in libraries}}
    result |= {
        "hardware": hardware("cpu"),
        "threads": arguments.threads,
        "streams": arguments.streams,
        "rounds": latency.rounds,
    }
    result["parity"] = {name: found.to_document() for name, found in parity.items()}
    result["speed"] = {name: summarise(latency, name) for name in files}
    met = report(result)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
