"""From the text that names a source of weights to its tensors."""

from __future__ import annotations

from pathlib import Path

from cardinet.weights.contents import Weights

KINDS = ("torchvision", "timm", "hub")


def read_weights(source: str | Path) -> Weights:
    """The weights of `torchvision:NAME`, `timm:NAME`, `hub:REPO[@REVISION][/FILE]`, or of a file of any known format.

    Raises RequestError for a source that is not there or holds no weights, WorkError for a damaged file and for a
    download that fails.
    """
    kind, _, name = str(source).partition(":")
    if kind == "torchvision" and name:
        from cardinet.weights.libraries import from_torchvision

        return from_torchvision(name)
    if kind == "timm" and name:
        from cardinet.weights.libraries import from_timm

        return from_timm(name)
    from cardinet.weights.files import read_file

    return read_file(local(source))


def local(source: str | Path) -> Path:
    """The file that a source means; one of a Hub repository is fetched. Raises as `read_weights`."""
    if not str(source).startswith("hub:"):
        return Path(source)
    from cardinet.weights.hub import fetch

    return fetch(str(source).removeprefix("hub:"))
