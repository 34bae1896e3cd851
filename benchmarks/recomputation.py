"""Benchmark: the memory and time of a training step, plain against recomputed units.

command   python benchmarks/recomputation.py
expected  peak memory with `recompute` at most 0.5 of the plain step's, for more time
time      about 2 minutes

A step is forward, loss, backward of densenet_bc_100_12 at batch 64 of 32x32 pixels; its peak is what it allocates
beyond weights and pictures. Each figure comes from a fresh process. On the CPU the peak is the largest sum of live
bytes over every allocation and free that torch's allocator reports to the profiler during the first step, and the
growth of the process (maximum resident set) stands beside it; on CUDA it is `torch.cuda.max_memory_allocated`. The
time is the median of steps after two more, without the profiler.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from cardinet.blocks.recomputation import recomputing
from cardinet.build.builder import build
from cardinet.networks.registry import find
from cardinet.runs.environment import hardware, keep_freed_memory, versions

Step = Callable[[], None]


def largest_resident() -> int:
    """Bytes of the largest resident set of this process so far (Linux counts KiB, macOS bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def peak_on_cpu(step: Step) -> int:
    """The largest sum of bytes that were allocated and not yet freed within a step."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        step()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_bytes())["traceEvents"]
    live = peak = 0
    for event in sorted((e for e in events if e.get("name") == "[memory]"), key=lambda e: float(e["ts"])):
        live += event["args"]["Bytes"]
        peak = max(peak, live)
    return peak


def peak_on_cuda(step: Step) -> int:
    """The same from the counters of torch's allocator."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return torch.cuda.max_memory_allocated() - before


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Peak bytes and seconds of a step in this process."""
    keep_freed_memory()  # as training does
    torch.manual_seed(0)
    network = build(find(options.network).spec).to(options.device).train()
    recomputing(network, options.one == "recompute")
    shape = (options.batch_size, network.spec.in_channels, options.input_size, options.input_size)
    pixels = torch.randn(shape, device=options.device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(network.num_classes, shape[:1], device=options.device)
    cuda = options.device.startswith("cuda")

    def step() -> None:
        network.zero_grad()
        F.cross_entropy(network(pixels), labels).backward()
        if cuda:
            torch.cuda.synchronize()

    before = largest_resident()
    found: dict[str, float] = {"peak": peak_on_cuda(step) if cuda else peak_on_cpu(step)}
    found["resident"] = largest_resident() - before
    seconds = []
    for _ in range(2 + options.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return found | {"seconds": statistics.median(seconds[2:])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="densenet_bc_100_12")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--input-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5, help="steps of which the median time is taken")
    parser.add_argument("--most", type=float, default=0.5, help="the largest expected ratio of the peaks")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", choices=["plain", "recompute"], help="measure one of the two in this process")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options)))
        return
    found = {}
    for kind in ("plain", "recompute"):
        command = [sys.executable, __file__, *sys.argv[1:], "--one", kind]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[kind] = json.loads(done.stdout.splitlines()[-1])
    print(f"{options.network}, batch {options.batch_size}, {options.input_size}x{options.input_size}, {options.device}")
    print(f"{hardware(options.device)}; {versions()}")
    print(f"{'':10}{'peak MiB':>10}{'resident MiB':>14}{'s a step':>10}")
    for kind, figures in found.items():
        sizes = f"{figures['peak'] / 2**20:10.1f}{figures['resident'] / 2**20:14.1f}"
        print(f"{kind:10}{sizes}{figures['seconds']:10.3f}")
    ratio = {name: found["recompute"][name] / max(1e-9, found["plain"][name]) for name in found["plain"]}
    print(f"{'ratio':10}{ratio['peak']:10.3f}{ratio['resident']:14.3f}{ratio['seconds']:10.3f}")
    if ratio["peak"] > options.most:
        sys.exit(f"The peak is {ratio['peak']:.3f} of the plain one; at most {options.most} is expected.")


if __name__ == "__main__":
    main()
