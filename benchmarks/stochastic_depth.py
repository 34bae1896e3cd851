"""Benchmark: a training step with stochastic depth against one of the same network with constant depth, in turn.

command   python benchmarks/stochastic_depth.py --rounds 40 --steps 5
expected  mean step of sd110_cifar at most 0.80 of its constant twin's; 40.25 of 54 units are open in the mean (0.745)
time      about 20 minutes on 2 cores, on a machine where nothing else runs

Both train ResNet-110 with shortcut A on made-up pictures of 32 x 32 pixels, batch 128: the same first weights, the
same batches, SGD with Nesterov momentum, `forward_backward` and `update` of Cardinet's own loop. In each round both
take a slice of some steps, and the order within a pair is swapped from pair to pair. A step's time depends on its
draw, so the ratio is that of the mean steps; the mean number of units that were open in the draws is printed beside.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cardinet.build.builder import build
from cardinet.networks.parts.merge import Add
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual
from cardinet.runs.environment import device_of, hardware, keep_freed_memory, versions
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.optimizers.sgd import SGD
from cardinet.train.training_step import forward_backward, make_optimizer, update

NETWORK, BATCH, SIDE = "sd110_cifar", 128, 32
MOST_RATIO = 0.80


class Contender:
    """A network in training; `times` has the seconds of each counted step, `opened` the units that each computed."""

    def __init__(self, spec: Residual, device: str) -> None:
        torch.manual_seed(0)
        self.network = build(spec).to(device).train()
        self.settings = SGD(lr=0.01)
        self.optimizer = make_optimizer(self.network, self.settings)
        self.synchronise: Callable[[], None] = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
        self.times: list[float] = []
        self.opened: list[int] = []
        self.units = 0
        for stage in (child for name, child in self.network.named_children() if name.startswith("layer")):
            for unit in stage.children():
                self.units += 1
                unit.get_submodule("conv1").register_forward_hook(self._count)

    def _count(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.opened[-1] += 1

    def slice(self, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
        """The mean seconds of a step over some batches."""
        for pixels, labels in batches:
            self.opened.append(0)
            self.synchronise()
            start = time.perf_counter()
            forward_backward(self.network, pixels, labels, CrossEntropy())
            update(self.network, self.optimizer, self.settings.lr, None)
            self.synchronise()
            self.times.append(time.perf_counter() - start)
        return statistics.fmean(self.times[-len(batches) :])


def summarise(values: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return {
        "n": len(values),
        "mean": statistics.fmean(values),
        "median": middle,
        "lower quartile": low,
        "upper quartile": high,
    }


def contest(contenders: dict[str, Contender], arguments: argparse.Namespace, device: str) -> list[float]:
    """The ratios of each pair of slices, after two steps of each that are not counted."""
    generator = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(arguments.steps):
        pixels = torch.randn(arguments.batch, 3, SIDE, SIDE, generator=generator)
        labels = torch.randint(0, 10, (arguments.batch,), generator=generator)
        batches.append((pixels.to(device, memory_format=torch.channels_last), labels.to(device)))
    for contender in contenders.values():
        contender.slice([batches[0]] * 2)
        contender.times.clear()
        contender.opened.clear()
    ratios = []
    for number in range(arguments.rounds):
        order = list(contenders) if number % 2 == 0 else list(contenders)[::-1]
        means = {name: contenders[name].slice(batches) for name in order}
        ratios.append(means["stochastic"] / means["constant"])
        print(f"  pair {number + 1:2d}  " + "  ".join(f"{n} {1000 * means[n]:7.1f} ms" for n in contenders), end="")
        print(f"  ratio {ratios[-1]:.3f}", flush=True)
    return ratios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40, help="pairs of slices")
    parser.add_argument("--steps", type=int, default=5, help="of each slice")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    device = device_of(arguments.device)
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    spec = find(NETWORK).spec
    contenders = {"stochastic": Contender(spec, device), "constant": Contender(spec.but(merge=Add()), device)}
    torch.manual_seed(2)
    ratios = contest(contenders, arguments, device)
    result: dict[str, Any] = {"command": shlex.join(["python", *sys.argv]), "versions": versions()}
    result |= {"hardware": hardware(device), "threads": arguments.threads, "batch": arguments.batch}
    result |= {name: summarise(contender.times) for name, contender in contenders.items()}
    result["ratio of means"] = result["stochastic"]["mean"] / result["constant"]["mean"]
    result["ratios of pairs"] = summarise(ratios)
    result["open units"] = {name: statistics.fmean(c.opened) for name, c in contenders.items()}
    report(result, contenders["constant"].units)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    met = result["ratio of means"] <= MOST_RATIO
    print("outcome   " + ("the bound is met" if met else "the bound is NOT met"))
    return 0 if met else 1


def report(result: dict[str, Any], units: int) -> None:
    print(f"\n{NETWORK}, batch {result['batch']}, {SIDE} x {SIDE} pixels, float32, channels_last")
    for name in ("stochastic", "constant"):
        about = {key: value if key == "n" else 1000 * value for key, value in result[name].items()}
        print(
            f"{name}: mean {about['mean']:.1f} ms a step, median {about['median']:.1f} (n = {about['n']} steps, "
            f"quartiles {about['lower quartile']:.1f} and {about['upper quartile']:.1f}); "
            f"{result['open units'][name]:.2f} of {units} units open in the mean"
        )
    pairs = result["ratios of pairs"]
    print(
        f"ratio of the mean steps {result['ratio of means']:.4f}; of pairs: median {pairs['median']:.4f} "
        f"(n = {pairs['n']}, quartiles {pairs['lower quartile']:.4f} and {pairs['upper quartile']:.4f}); "
        f"bound {MOST_RATIO}"
    )
    print(f"command   {result['command']}")
    print("versions  " + ", ".join(f"{name} {version}" for name, version in result["versions"].items()))
    print(f"hardware  {', '.join(result['hardware'].values())}, {result['threads']} threads")


if __name__ == "__main__":
    sys.exit(main())
