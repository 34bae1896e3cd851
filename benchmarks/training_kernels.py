"""Benchmark: a training step with own kernels (`kernels=own`) against torch's, in bfloat16 by autocast.

command   python benchmarks/training_kernels.py
expected  own kernels at least 1.10 times as fast as the best other; a peak of memory that is not above the eager one
time      about 15 minutes on 2 quiet cores; torch.compile takes most of it

A step is forward, loss, backward and torch's fused SGD with momentum, on made-up pictures in channels_last. The
contenders run in turn in one process, each from the same weights: own kernels, the same network with torch's operators
(eager), torchvision's network where it has one, and torch.compile of the eager one. Wall time is what counts. Beside it
stands the time of the processor, with one thread the more honest figure on a busy machine.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from runpy import run_path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.blocks.joined_norm import join_norms
from cardinet.build.builder import build
from cardinet.networks.registry import find
from cardinet.runs.environment import hardware, keep_freed_memory, versions

CASES = (("resnext29_32x4d", 32, 32), ("resnext29_32x4d", 32, 128), ("resnext50_32x4d", 224, 16))
"""Network, side of a picture, batch."""

Step = Callable[[], None]


def contenders(network: str, wanted: list[str]) -> dict[str, nn.Module]:
    """The networks by name of contender, in training mode and channels_last."""
    torch.manual_seed(0)
    eager = build(find(network).spec).train()
    found: dict[str, nn.Module] = {"own": copy.deepcopy(eager), "eager": eager}
    if not join_norms(found["own"]):
        raise SystemExit("There are no own kernels here.")
    if "torchvision" in wanted:
        import torchvision

        if hasattr(torchvision.models, network):
            peer = getattr(torchvision.models, network)()
            found["torchvision"] = peer.to(memory_format=torch.channels_last).train()
    if "compile" in wanted:
        found["compile"] = torch.compile(copy.deepcopy(eager))  # type: ignore[assignment]
    return {name: found[name] for name in wanted if name in found}


def make_step(network: nn.Module, pixels: Tensor, labels: Tensor) -> Step:
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True
    )

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(pixels)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def compare(case: tuple[str, int, int], options: argparse.Namespace) -> None:
    """Print the times of the contenders in one case, and their peaks of memory."""
    name, side, batch = case
    peak_on_cpu = run_path(str(Path(__file__).with_name("recomputation.py")))["peak_on_cpu"]
    networks = contenders(name, options.contenders.split(","))
    pixels = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.int64)
    steps = {each: make_step(network, pixels, labels) for each, network in networks.items()}
    for step in steps.values():
        step()
    peaks = {each: peak_on_cpu(step) / 2**20 for each, step in steps.items()}
    times: dict[str, list[tuple[float, float]]] = {each: [] for each in steps}
    for number in range(options.rounds):
        for each in list(steps)[:: 1 if number % 2 else -1]:
            wall, processor = time.perf_counter(), time.process_time()
            steps[each]()
            times[each].append((time.perf_counter() - wall, time.process_time() - processor))
    print(f"\n{name}, {side} x {side}, batch {batch}: n = {options.rounds}")
    heads = {"median ms": 10, "min ms": 9, "max ms": 9, "img/s": 8, "CPU median ms": 15, "CPU min": 9, "peak MiB": 10}
    print(" " * 12 + "".join(f"{head:>{width}}" for head, width in heads.items()))
    for each, found in times.items():
        walls, processors = ([1000 * value for value in kind] for kind in zip(*found, strict=True))
        middle = statistics.median(walls)
        print(
            f"{each:12}{middle:10.1f}{min(walls):9.1f}{max(walls):9.1f}{1000 * batch / middle:8.1f}"
            f"{statistics.median(processors):15.1f}{min(processors):9.1f}{peaks[each]:10.1f}"
        )
    medians = [{each: statistics.median(t[i] for t in found) for each, found in times.items()} for i in (0, 1)]
    ratios = [min(t for each, t in kind.items() if each != "own") / kind["own"] for kind in medians]
    print(f"own kernels against the best other: {ratios[0]:.3f} by wall time, {ratios[1]:.3f} by the processor's time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", default="own,eager,torchvision,compile", help="own and at least one other")
    parser.add_argument("--cases", default="0,1,2", help="numbers of the cases")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as training does
    print(f"{hardware('cpu')}; {versions()}; {options.threads} threads")
    for number in options.cases.split(","):
        compare(CASES[int(number)], options)


if __name__ == "__main__":
    main()
