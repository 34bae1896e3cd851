"""The raw maps of a question as files, with a manifest that says what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from cardinet.base.documents import to_json
from cardinet.base.files import write_atomic
from cardinet.base.version import __version__
from cardinet.runs.environment import versions


def write_maps(folder: Path, document: Mapping[str, Any], found: Sequence[Tensor], kinds: Sequence[str]) -> None:
    """Write a new folder: one float32 .npy of all pictures (N, h, w) for each kind of class, and manifest.json.

    The manifest is written last. Raises WorkError if a file cannot be written.
    """
    import io

    folder.mkdir(parents=True)
    for kind, maps in zip(kinds, found, strict=True):
        buffer = io.BytesIO()
        np.save(buffer, maps.cpu().numpy().astype(np.float32))
        write_atomic(folder / f"{kind}.npy", buffer.getvalue())
    manifest = {"schema": 1, "versions": {"cardinet": __version__, **versions()}, **document}
    write_atomic(folder / "manifest.json", to_json(manifest))
