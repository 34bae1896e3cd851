"""Pictures that a caller gives: a path, a folder, a pattern, a table, bytes, a Pillow picture, an array or a tensor."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from cardinet.base.errors import CardinetError, Findings, RequestError
from cardinet.data.decode import PictureError, decode, load_picture
from cardinet.data.kinds.class_folders import files_below
from cardinet.data.kinds.csv_files import pictures_in_csv
from cardinet.data.modes import note_opened
from cardinet.data.picture_formats import EXTENSIONS

if TYPE_CHECKING:
    import torch

    One = str | Path | bytes | bytearray | memoryview | BinaryIO | Image.Image | npt.NDArray[Any] | torch.Tensor
    Pictures = One | Iterable[One]

_PATTERN = frozenset("*?[")


@dataclass(frozen=True, eq=False)
class PictureInput:
    """One picture and its name: the path as it was given, else the position ("picture 3").

    A function as `content` gives the bytes when they are needed.
    """

    name: str
    content: Path | bytes | Image.Image | npt.NDArray[Any] | Callable[[], bytes]

    def image(self, pixel_limit: int) -> Image.Image:
        """The decoded picture. Raises PictureError if it cannot be decoded."""
        if isinstance(self.content, Path):
            return load_picture(_read(self.content), pixel_limit)
        if isinstance(self.content, bytes):
            return load_picture(self.content, pixel_limit)
        if isinstance(self.content, Image.Image):
            note_opened(self.content)
            decode(self.content)
            return self.content
        if callable(self.content):
            return load_picture(self.content(), pixel_limit)
        return Image.fromarray(self.content)


def is_single(pictures: Pictures) -> bool:
    """Whether this is one picture. Several are a list, a folder, a pattern, a table or an array of four dimensions."""
    if isinstance(pictures, str | Path):
        return not (os.path.isdir(pictures) or is_pattern(pictures) or _table(pictures))
    if _is_encoded(pictures) or isinstance(pictures, Image.Image):
        return True
    ndim: int = getattr(pictures, "ndim", 4)
    return ndim < 4


def picture_inputs(
    pictures: Pictures, *, picture_column: str | None = None, root: str | None = None
) -> list[PictureInput]:
    """The pictures one by one. Those of a folder or a pattern are sorted by name, as in an evaluation.

    Paths, folders, patterns (`*`, `?`, `[...]`, `**`) and tables (csv:FILE) are text or Path. Bytes are an encoded
    picture, and so is the rest of an open file. An array is (H, W) or (H, W, C), a tensor (C, H, W), with 1, 3 or 4
    channels, of uint8 or floating-point numbers from 0 to 1; one more first dimension means several pictures.
    `picture_column` and `root` say how tables are read, as in the settings of the data. Raises RequestError with every
    missing file and every value that cannot be a picture.
    """
    findings = Findings()
    found: list[PictureInput] = []
    for one in _each(pictures):
        with findings:
            if isinstance(one, str | Path):
                found += [PictureInput(str(path), path) for path in picture_paths(one, picture_column, root)]
            else:
                found += [
                    PictureInput(f"picture {len(found) + i}", content) for i, content in enumerate(_contents(one), 1)
                ]
    findings.raise_if_any()
    return found


def _each(pictures: Pictures) -> Iterable[Any]:
    if isinstance(pictures, str | Path | Image.Image | np.ndarray) or hasattr(pictures, "numpy"):
        return [pictures]
    if _is_encoded(pictures):
        return [pictures]
    if isinstance(pictures, Set):
        raise RequestError(f"{type(pictures).__name__} has no order for the answers; give a list.")
    if isinstance(pictures, Mapping) or not isinstance(pictures, Iterable):
        raise _no_picture(pictures)
    return pictures


def _is_encoded(one: Any) -> bool:
    """Whether this is the content of a picture file: bytes, or an open file."""
    return isinstance(one, bytes | bytearray | memoryview) or hasattr(one, "read")


def is_pattern(path: str | Path) -> bool:
    """Whether this has signs of a pattern, and is not the name of a file or folder."""
    return bool(_PATTERN & set(str(path))) and not os.path.lexists(path)


def _table(path: str | Path) -> str:
    """The file that `csv:FILE` names; empty for anything else."""
    prefix, _, file = str(path).partition("csv:")
    return "" if prefix or os.path.lexists(path) else file


def picture_paths(path: str | Path, picture_column: str | None, root: str | None) -> Iterator[Path]:
    """The file, the pictures (by name) in the folder, those that match the pattern, or those of the table.

    Raises RequestError if there are none.
    """
    if table := _table(path):
        yield from pictures_in_csv(table, picture_column, root)
    elif is_pattern(path):
        matches = sorted(glob.glob(str(path), recursive=True))
        found = [file for match in matches for file in ([match] if os.path.isfile(match) else _below(match))]
        files = dict.fromkeys(file for file in found if file.lower().endswith(EXTENSIONS))
        if not files:
            raise RequestError(f"No picture ({', '.join(EXTENSIONS)}) matches {path}.")
        yield from map(Path, files)
    elif os.path.isdir(path):
        files = dict.fromkeys(file for file in _below(str(path)) if file.lower().endswith(EXTENSIONS))
        if not files:
            raise RequestError(f"The folder {path} holds no pictures ({', '.join(EXTENSIONS)}).")
        yield from map(Path, files)
    elif not os.path.exists(path):
        raise RequestError(f"There is no picture or folder {path}.")
    elif not os.path.isfile(path):
        raise RequestError(f"{path} is not a file (but a device, pipe or socket); give a picture or a folder.")
    else:
        yield Path(path)


def _below(folder: str) -> list[str]:
    return [path for path, _ in files_below(folder)]


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PictureError("damaged", "it is not a file, but a device, pipe or socket")
        return path.read_bytes()
    except OSError as error:
        raise PictureError("damaged", f"it cannot be read ({error.strerror})") from None


def _contents(one: Any) -> Iterator[bytes | Image.Image | npt.NDArray[Any]]:
    if isinstance(one, Image.Image):
        yield one
    elif _is_encoded(one):
        yield _bytes(one)
    elif isinstance(one, np.ndarray) or hasattr(one, "numpy"):
        is_array = isinstance(one, np.ndarray)
        values = one if is_array else _values(one)
        for picture in values if values.ndim == 4 else [values]:
            yield _pixels(picture, is_array=is_array)
    else:
        raise _no_picture(one)


def _bytes(one: Any) -> bytes:
    """The content of bytes of any kind, or the rest of an open file. Raises RequestError for a file in text mode."""
    if not hasattr(one, "read"):
        return bytes(one)
    try:
        content = one.read()
    except (OSError, ValueError) as error:  # ValueError: it is closed, or its text cannot be decoded
        raise RequestError(f"The file cannot be read ({error}); open it in binary mode: open(FILE, 'rb').") from None
    if not isinstance(content, bytes | bytearray | memoryview):
        raise RequestError("The file is open as text; open it in binary mode: open(FILE, 'rb').")
    return bytes(content)


def _values(tensor: Any) -> npt.NDArray[Any]:
    """The values of a tensor; floats become float32, as NumPy has no bfloat16. Raises RequestError."""
    if getattr(tensor, "is_meta", False):
        raise RequestError("a tensor on the meta device has no values; give one on a real device.")
    if str(getattr(tensor, "layout", "torch.strided")) != "torch.strided":
        raise RequestError(f"a sparse tensor ({tensor.layout}) is not a picture; give tensor.to_dense().")
    tensor = tensor.detach().cpu()
    values: npt.NDArray[Any] = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return values


def _pixels(values: npt.NDArray[Any], *, is_array: bool) -> npt.NDArray[Any]:
    """(H, W) or (H, W, 3 or 4) as uint8 (or uint16 for grey), which Pillow takes. Raises RequestError."""
    what = "an array" if is_array else "a tensor"
    shape = f"{what} of shape {tuple(values.shape)}"
    if values.ndim == 3 and not is_array:
        values = np.moveaxis(values, 0, 2)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in (2, 3) or values.size == 0 or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        wanted = "(H, W) or (H, W, C)" if is_array else "(H, W) or (C, H, W)"
        raise RequestError(f"{shape} is not a picture: give {wanted} with 1, 3 or 4 channels.")
    if np.issubdtype(values.dtype, np.floating):
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise RequestError(
                f"{shape} holds floating-point numbers that are not from 0 to 1; give it before it is normalised, "
                "or uint8 from 0 to 255."
            )
        values = np.rint(values.astype(np.float64) * 255).astype(np.uint8)
    if values.dtype != np.uint8 and not (values.dtype == np.uint16 and values.ndim == 2):
        raise RequestError(f"{what} of {values.dtype} is not a picture: give uint8, or floating-point from 0 to 1.")
    return np.ascontiguousarray(values)


def _no_picture(one: Any) -> CardinetError:
    return RequestError(
        f"{type(one).__name__} is not a picture: give a path, folder or pattern, bytes, a file open in binary mode, "
        "a Pillow picture, an array or a tensor, or a list of these."
    )
