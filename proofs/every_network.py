"""Proof: every network builds, trains, compiles, exports, copies and differentiates as a torch module has to.

command   PYTHONPATH=tests python proofs/every_network.py [PATTERN ...] [--checks NAME,...] [--full] [--results FILE]
expected  a row a network, no cell with "FAIL", and exit code 0; 1 where anything fails
time      10 to 60 s a network on a CPU core, some minutes where there are hundreds of layers

The checks are those of `tests/networks/test_citizen.py`, on two pictures as small as the network takes (`--full`: the
two training steps on pictures of the paper's size, but for giants). With `--results` the rows are kept in FILE, and
those that stand there are not run again, so that the proof can be run in parts: `--seconds` starts no network later.
"""

from __future__ import annotations

from cardinet.networks.family import Named
from networks.citizen import CHECKS, GIANT, steps, subject
from table import arguments, failure, prove

USUAL = [name for name in CHECKS if name != "inductor"]


def cells(row: Named, checks: list[str], full: bool) -> dict[str, str]:
    """What each check says of a network."""
    it = subject(row)
    parameters = sum(p.numel() for p in it.network.parameters())
    found = {"params": f"{parameters:,}"}
    for name in checks:
        try:
            if name == "steps" and full and (parameters < GIANT or row.input_size <= 32):
                found[name] = f"{steps(it, row.input_size)} at {row.input_size}"
            else:
                found[name] = CHECKS[name](it)
        except Exception as error:
            found[name] = failure(error)
    return found


def main() -> int:
    parser = arguments("Run every check on every network.")
    parser.add_argument("--checks", default=",".join(USUAL), help=f"of {', '.join(CHECKS)}")
    parser.add_argument("--full", action="store_true", help="train on pictures of the paper's size")
    options = parser.parse_args()
    checks = options.checks.split(",")
    if unknown := set(checks) - set(CHECKS):
        parser.error(f"unknown checks: {', '.join(sorted(unknown))}")
    return prove(options, ["params", *checks], lambda row: cells(row, checks, options.full))


if __name__ == "__main__":
    raise SystemExit(main())
