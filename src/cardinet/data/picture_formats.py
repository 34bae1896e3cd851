"""Picture formats: which file names are pictures, which formats are read, and the advice for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec

import PIL
from PIL import features

HEIF = find_spec("pillow_heif") is not None

SUFFIXES: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm"),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx"),
    "HEIF": (".heic", ".heif", ".hif"),
}
"""The formats that are read, by Pillow's names. The list is explicit, as some formats of Pillow (EPS) start programs.

An MPO file, in which cameras store several pictures, begins like a JPEG.
"""

AVAILABLE = {"AVIF": bool(features.check("avif")), "JPEG2000": bool(features.check("jpg_2000")), "HEIF": HEIF}
"""For each format that needs a library, whether it can be read."""

FORMATS = tuple(name for name in SUFFIXES if AVAILABLE.get(name, True))
EXTENSIONS = tuple(suffix for name in FORMATS for suffix in SUFFIXES[name])

REASONS = {
    "AVIF": "this Pillow was built without it",
    "JPEG2000": "this Pillow was built without it",
    "HEIF": 'install the extra: pip install "cardinet[heic]"',
}
BEGINNINGS: dict[str, tuple[bytes, ...]] = {
    "JPEG": (b"\xff\xd8",),
    "PNG": (b"\x89PNG",),
    "WEBP": (b"RIFF",),
    "BMP": (b"BM",),
    "GIF": (b"GIF8",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "PPM": tuple(b"P%d%c" % (number, space) for number in range(1, 7) for space in b" \n\r\t"),
    "JPEG2000": (b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51"),
}
"""The first bytes of a format's files."""
BRANDS: dict[str, tuple[bytes, ...]] = {
    "AVIF": (b"avif", b"avis"),
    "HEIF": (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"),
}
"""The brands in the `ftyp` box of formats that begin with one. The first known brand counts."""
OTHERS: dict[str, tuple[str, ...]] = {
    "JPEG XL": (".jxl",),
    "camera RAW": (".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".srw", ".pef"),
    "drawing": (".svg", ".svgz", ".ai", ".eps", ".pdf", ".wmf", ".emf"),
    "Photoshop": (".psd", ".psb"),
    "icon": (".ico", ".icns", ".cur"),
    "medical picture": (".dcm", ".nii", ".mha"),
    "high dynamic range": (".exr", ".hdr"),
    "other picture format": (".tga", ".dds", ".qoi", ".pcx", ".sgi", ".fits", ".pnm", ".pam", ".pfm", ".apng", ".jls"),
    "video": (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".3gp"),
    "array": (".npy", ".npz", ".mat", ".h5"),
}
"""Suffixes of picture files that are not read, by kind."""

KINDS: dict[str, str] = {
    suffix: kind
    for kind, suffixes in ({n: SUFFIXES[n] for n in SUFFIXES if n not in FORMATS} | OTHERS).items()
    for suffix in suffixes
}

SYSTEM_FOLDERS = {
    "@eadir",
    "__macosx",
    "#recycle",
    "@recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
}
"""Folders that network drives and systems keep beside pictures: thumbnails, deleted files. In lower case."""

SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"}
"""Files of the same kind that are not hidden by their names. In lower case."""


def reader() -> str:
    """The name and version of the library that reads pictures; another one may read the same file differently."""
    return f"Pillow {PIL.__version__}: {' '.join(FORMATS)}"


def format_of(data: bytes) -> str | None:
    """The format of a file's first bytes, by Pillow's name, even if it is not read; None for an unknown format."""
    if data[4:8] == b"ftyp":
        box = data[8 : max(12, min(int.from_bytes(data[:4]), 256))]
        named = {box[i : i + 4] for i in range(0, len(box), 4)}
        return next((name for name, brands in BRANDS.items() if named & set(brands)), None)
    return next((name for name, beginnings in BEGINNINGS.items() if data.startswith(beginnings)), None)


def system_kind(name: str, is_folder: Callable[[], bool]) -> str | None:
    """The kind of a hidden file or folder, or of one that a system made; None for the user's own.

    AppleDouble files (`._1.png`, the attributes of 1.png) are one kind. Otherwise the name is the kind.
    """
    if name.startswith("._"):
        return "._*"
    hidden, low = name.startswith("."), name.casefold()
    if hidden or low in SYSTEM_FOLDERS or low in SYSTEM_FILES:
        folder = is_folder()
        if hidden or folder == (low in SYSTEM_FOLDERS):
            return f"{name}/" if folder else name
    return None


def system_sentence(counts: Mapping[str, int], most: int = 8) -> str:
    """A sentence about hidden and system files that were left out; at most `most` kinds are named."""
    kinds = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{name.encode('utf-8', 'backslashreplace').decode()} ({count:,})" for name, count in kinds[:most]]
    rest = sum(count for _, count in kinds[most:])
    return f"left out as hidden or system files: {', '.join(named)}" + (f" and {rest:,} more" if rest else "")


def unread_sentences(counts: Mapping[str, int]) -> list[str]:
    """A sentence for each suffix of picture files that are not read, with their number."""
    found = []
    for suffix, count in sorted(counts.items()):
        kind = KINDS[suffix]
        advice = REASONS.get(kind, "convert them to JPEG or PNG")
        found.append(f"{count:,} {suffix} file{'s are' if count > 1 else ' is'} not read ({kind}); {advice}")
    return found
