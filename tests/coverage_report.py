"""Print the share of lines that the last run of all tests reached, and the files below 80 %."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LITTLE = 80.0


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(file)]
        subprocess.run(command, check=True)
        found = json.loads(file.read_text())
    print(f"coverage: {found['totals']['percent_covered']:.1f} % of {found['totals']['num_statements']:,} statements")
    shares = {name: about["summary"]["percent_covered"] for name, about in found["files"].items()}
    low = sorted((share, name) for name, share in shares.items() if share < LITTLE)
    print(f"below {LITTLE:.0f} %: {len(low)} of {len(shares)} files")
    for share, name in low:
        print(f"  {share:5.1f} %  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
