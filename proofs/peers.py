"""Proof: every network of timm, torchvision and pytorchcv in the tables is that library's network, by value.

command   PYTHONPATH=tests python proofs/peers.py [PATTERN ...]     all pairs, or those whose name matches
expected  a row a pair, no row with "differs", and exit code 0; 1 where anything differs
time      about 15 minutes on one CPU core for all 239; 12 GB of memory for the largest (timm:resnext101_32x32d)

The same comparison as `tests/networks/test_peers.py`, which leaves out the largest networks: both networks have the
library's weights, BN parameters and statistics drawn at random. The columns are the largest difference of the logits
in eval mode, in float32, and of the logits, and of gradients and BN statistics, in train mode, in float64, relative to
the largest value there.
"""

from __future__ import annotations

import argparse
import fnmatch
import time

from cardinet.networks.registry import PEERS
from networks.peers import agree, compare


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare other libraries' networks with ours.")
    parser.add_argument("patterns", nargs="*", default=["*"], metavar="PATTERN")
    patterns = parser.parse_args().patterns
    names = [name for name in PEERS if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    print(f"{'network':40} {'ours':30} {'parameters':>12} {'float32':>8} {'logits':>8} {'trained':>8} {'CPU s':>6}")
    different = 0
    for name in names:
        started = time.process_time()
        found = compare(name)
        seconds = time.process_time() - started
        ours = "a variant" if PEERS[name].id == name else PEERS[name].id
        verdict = "" if agree(found) else f"  differs ({found.worst})"
        different += bool(verdict)
        numbers = f"{found.params:12,} {found.single:8.0e} {found.logits:8.0e} {found.trained:8.0e} {seconds:6.1f}"
        print(f"{name:40} {ours:30} {numbers}{verdict}", flush=True)
    print(f"{len(names)} pairs, {different} different.")
    return int(different > 0 or not names)


if __name__ == "__main__":
    raise SystemExit(main())
