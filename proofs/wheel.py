"""Proof: the wheel, installed into an empty environment, trains, fine-tunes and predicts there.

command   python proofs/wheel.py
expected  "the wheel works" and exit code 0
time      3 to 6 minutes, most of it the installation of torch

The wheel is built from this checkout and installed with the versions of constraints.txt and without extras. Everything
runs in an empty folder, so that nothing of the checkout can be imported.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PICTURES = """
from pathlib import Path
import numpy as np
from PIL import Image
for row, (name, level) in enumerate((("ant", 60), ("bee", 120), ("cat", 180))):
    Path("pictures", name).mkdir(parents=True)
    for i in range(12):
        noise = np.random.default_rng(100 * row + i).normal(level, 30, (40, 48, 3))
        Image.fromarray(noise.clip(0, 255).astype("uint8")).save(Path("pictures", name, f"{i}.png"))
"""

PLACE = "import cardinet, sys; print(cardinet.__file__); sys.exit(not cardinet.__file__.startswith(sys.prefix))"


def run(*words: str | Path, folder: Path) -> str:
    """One command in a folder, with nothing of this process's Python; leaves where it fails."""
    print("$", " ".join(Path(word).name if isinstance(word, Path) else word for word in words)[:110], flush=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(list(map(str, words)), cwd=folder, env=clean, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAILED with exit code {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="an empty folder to work in (default: a temporary one)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wheel-") as temporary:
        folder = (asked.folder or Path(temporary)).resolve()
        empty = folder / "empty"
        empty.mkdir(parents=True)
        run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder / "dist", ROOT, folder=empty)
        (wheel,) = (folder / "dist").glob("cardinet-*.whl")
        venv.create(folder / "env", with_pip=True)
        python, cardinet = folder / "env" / "bin" / "python", folder / "env" / "bin" / "cardinet"
        run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel, folder=empty)
        print(run(python, "-c", PLACE, folder=empty).strip())
        run(python, "-c", PICTURES, folder=empty)
        print(run(cardinet, "train", folder=empty))
        (first,) = empty.glob("runs/*/model.safetensors")
        few = ("--epochs", "2", "--batch-size", "8", "--set", "threads=1", "--out", "tuned")
        print(
            run(cardinet, "train", "--recipe", "finetune", "--weights", first, "--data", "pictures", *few, folder=empty)
        )
        print(run(cardinet, "predict", "tuned", "pictures/cat/0.png", folder=empty))
        made = {path.name for path in (empty / "tuned").iterdir()}
        missing = {"run.toml", "metrics.jsonl", "model.safetensors", "evaluation.json", "report.html"} - made
        if missing:
            sys.exit(f"FAILED: the fine-tuned run lacks {', '.join(sorted(missing))}")
    print("the wheel works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
