"""OpenVINO's intermediate representation: an .xml with the graph and the metadata, a .bin with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cardinet.export.about import KEYS
from cardinet.export.extras import library

GROUP = "cardinet"
"""Where the metadata stands in the representation's rt_info."""


@cache
def core() -> Any:
    """The one core of this process, which lives as long as it.

    Each core changes the stack that signal handlers run on (for AMX, which needs a larger one) and sets back at its end
    the one that it found. Of two whose lives overlap that may be the freed one of the other, and the next signal, a
    Ctrl-C in a training say, is a segmentation fault.
    """
    return library("openvino").Core()


def from_onnx(model: Any) -> Any:
    """An ONNX model as OpenVINO's."""
    return core().read_model(model.SerializeToString())


def write_openvino(model: Any, about: Mapping[str, str], path: Path) -> None:
    """Write the .xml and the .bin beside it; the weights keep their precision (the library's default is half).

    Raises OSError where they cannot be written, as a disk is full.
    """
    for key, value in about.items():
        model.set_rt_info(value, [GROUP, key])
    try:
        library("openvino").save_model(model, str(path), compress_to_fp16=False)
    except RuntimeError as error:
        if "iostream" not in str(error):
            raise
        raise OSError("the disk is full, or takes no file of this size") from error


def read_metadata(model: Any) -> dict[str, str]:
    """The metadata of a representation; none of one that Cardinet has not written."""
    return {key: str(model.get_rt_info([GROUP, key]).astype(str)) for key in KEYS if model.has_rt_info([GROUP, key])}
