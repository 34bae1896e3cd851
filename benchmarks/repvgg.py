"""Speed of RepVGG in its two forms: the branches that it trains with, and the one convolution that they merge into.

command   python benchmarks/repvgg.py [--networks NAME ...] [--batch-sizes 1 8] [--threads 2] [--seconds 20]
expected  repvgg_a0: the deployment form at batch 1 at least 1.3 times as fast, each form in its better memory layout
time      --seconds for every network and batch size

All contenders (two forms in two layouts) run in turn in one process; a pass of each is a round. The figures are
medians over the rounds, the ratio is that of the better layout of each form, round by round.
"""

from __future__ import annotations

import argparse
import copy
import platform
import statistics
import time
from typing import Any

import torch

from cardinet.build.builder import build
from cardinet.networks.registry import find
from cardinet.rewrite.proof import difference
from cardinet.rewrite.steps import Step, apply

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def contenders(name: str) -> dict[tuple[str, str], Any]:
    """The network in both forms and both layouts, with BN statistics of some pictures."""
    torch.manual_seed(0)
    network = build(find(name).spec)
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.randn(4, 3, 96, 96))
    forms = {"training": network.eval(), "deployment": apply(network, [Step("merge_branches")]).eval()}
    pixels = torch.randn(2, 3, 96, 96)
    apart = difference(forms["training"], forms["deployment"], pixels, torch.float32)
    print(f"{name}: relative difference of the forms {apart:.1e} (float32)")
    return {
        (form, layout): copy.deepcopy(one).to(memory_format=memory)
        for form, one in forms.items()
        for layout, memory in LAYOUTS.items()
    }


@torch.inference_mode()
def rounds(networks: dict[tuple[str, str], Any], batch: int, seconds: float) -> dict[tuple[str, str], list[float]]:
    """Seconds of a pass of each contender, round by round."""
    x = torch.randn(batch, 3, 224, 224)
    pixels = {layout: x.to(memory_format=memory) for layout, memory in LAYOUTS.items()}
    times: dict[tuple[str, str], list[float]] = {key: [] for key in networks}
    for key, network in networks.items():
        network(pixels[key[1]])
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        for key, network in networks.items():
            began = time.perf_counter()
            network(pixels[key[1]])
            times[key].append(time.perf_counter() - began)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the two forms of RepVGG.")
    parser.add_argument("--networks", nargs="+", default=["repvgg_a0"])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {options.threads} threads, 224 pixels")
    for name in options.networks:
        networks = contenders(name)
        for batch in options.batch_sizes:
            times = rounds(networks, batch, options.seconds)
            medians = {key: statistics.median(found) for key, found in times.items()}
            best = {form: min((medians[form, one], one) for one in LAYOUTS)[1] for form in ("training", "deployment")}
            for (form, layout), found in times.items():
                lower, middle, upper = (1000 * q for q in statistics.quantiles(found, n=4))
                mark = "  better" if best[form] == layout else ""
                print(
                    f"  batch {batch}  {form:<10} {layout:<13} {middle:8.2f} ms ({lower:.2f}, {upper:.2f})  "
                    f"{batch / medians[form, layout]:7.1f} img/s  n = {len(found)}{mark}"
                )
            pairs = zip(times["training", best["training"]], times["deployment", best["deployment"]], strict=True)
            low, middle, high = statistics.quantiles([before / after for before, after in pairs], n=4)
            print(f"  batch {batch}  deployment is {middle:.2f} times as fast (quartiles {low:.2f}, {high:.2f})")


if __name__ == "__main__":
    main()
