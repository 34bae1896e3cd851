"""`cardinet predict`: what a model says of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardinet.cli.options import Device, Json
from cardinet.cli.talk import errors, print_json, say

if TYPE_CHECKING:
    from cardinet.base.errors import Findings
    from cardinet.runs.model_file import Prediction


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or model file.")],
    pictures: Annotated[list[Path], typer.Argument(metavar="IMAGE|FOLDER ...", help="Pictures, or folders of them.")],
    top: Annotated[int, typer.Option("--top", min=1, metavar="K", help="How many classes to name.")] = 5,
    device: Device = "auto",
    as_json: Json = False,
) -> int:
    """Name the most probable classes of each picture. A folder gives one JSON line a picture.

    A picture that cannot be used is named, the others are predicted, and the exit code is 1.
    """
    from cardinet.base.errors import CardinetError, Findings
    from cardinet.cli.options import read_model
    from cardinet.runs.environment import device_of

    findings, place = Findings(), "cpu"
    with findings:
        place = device_of(device)
    with findings:
        classifier = read_model(model, place)
    paths = _paths(pictures, findings)
    findings.raise_if_any()
    lines = as_json or any(path.is_dir() for path in pictures)
    failed = 0
    for path in paths:
        try:
            found = classifier.predict(path, top)
        except CardinetError as error:
            failed += 1
            errors(error.findings)
            continue
        if lines:
            print_json(found.to_document())
        else:
            _print(found, named=len(paths) > 1)
    if failed and len(paths) > 1:
        say(f"{failed:,} of {len(paths):,} pictures could not be used.")
    return 1 if failed else 0


def _paths(pictures: list[Path], findings: Findings) -> list[Path]:
    """The pictures named, and those in the folders named, by name; what is not there is added to the findings."""
    from cardinet.base.errors import RequestError
    from cardinet.data.decode import EXTENSIONS
    from cardinet.data.kinds.folder import files_below

    paths: list[Path] = []
    for path in pictures:
        inside = [path]
        if path.is_dir():
            found = (Path(name) for name, _ in files_below(str(path), frozenset()))
            inside = sorted(p for p in found if p.suffix.lower() in EXTENSIONS)
        if not path.exists():
            findings.errors.append(RequestError(f"There is no picture or folder {path}."))
        elif not inside:
            findings.errors.append(RequestError(f"The folder {path} holds no pictures ({', '.join(EXTENSIONS)})."))
        paths += inside
    return paths


def _print(found: Prediction, *, named: bool) -> None:
    if named:
        print(found.path)
    widest = max(len(name) for name in found.classes)
    for name, probability in zip(found.classes, found.probabilities, strict=True):
        print(f"{name:<{widest}}  {100 * probability:6.2f} %")
