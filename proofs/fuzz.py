"""Wrong requests, damaged files and damaged pictures by the thousand: words, never a traceback, a hang or a flood.

    PYTHONPATH=tests python proofs/fuzz.py all
    PYTHONPATH=tests python proofs/fuzz.py requests --count 1000 --seed 0

`requests` are wrong words for every verb, `files` are mutations of every kind of file that is read, `pictures` are
damages of every format. A row is what was counted; its examples stand above it on stderr. A request or a file has 20 s
and 4 GB. The same seed gives the same cases. Leaves 1 where a count that has to be 0 is not.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time

COUNTS = {"requests": 1000, "files": 2000, "pictures": 3000}
# Not fuzzing.requests: tests can be imported by their bare names, and libraries import one of this name.
MODULES = {"requests": "drawn_requests", "files": "files", "pictures": "pictures"}
ZERO = ("tracebacks", "hangs", "over_memory", "silent_damage", "mismatches", "changed", "not_right")
"""What may not be counted once."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=(*COUNTS, "all"))
    parser.add_argument("--count", type=int, help="how many cases")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    failed = False
    for what in COUNTS if asked.what == "all" else (asked.what,):
        started = time.monotonic()
        found = importlib.import_module(f"fuzzing.{MODULES[what]}").run(asked.seed, asked.count or COUNTS[what])
        wrong = {key: found[key] for key in ZERO if found.get(key)}
        failed = failed or bool(wrong)
        said = ", ".join(f"{key} {value:,}" for key, value in found.items())
        print(f"{what}, seed {asked.seed}: {said}; {time.monotonic() - started:.0f} s; {wrong or 'good'}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
