"""A trained model as the teacher of another one: what it is, whether it fits, and its answers to the same pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import torch
from torch import Tensor

from cardinet.base.errors import Findings, RequestError
from cardinet.data.labelling import ONE, Labelling
from cardinet.data.preprocessing import Preprocessing
from cardinet.evaluate.matching import first_names
from cardinet.evaluate.opening import model_path
from cardinet.measure.counts import count
from cardinet.measure.memory import Memory
from cardinet.runs.memory_checks import batch_memory
from cardinet.runs.model_file import Model, empty_model, load_model
from cardinet.runs.prediction import as_input


@dataclass(frozen=True)
class Taught:
    """What the trained network gets: pictures in `channels` of these classes, with as many labels as `labelling` says;
    `sides` are those of all steps.
    """

    classes: tuple[str, ...]
    sides: tuple[int, ...]
    channels: int
    labelling: Labelling = ONE


def teacher_path(text: str, fix: str = "give a run folder or a model file") -> Path:
    """The model file of a teacher: a file, that of a run folder or hub:REPO. Raises RequestError if there is none."""
    path = model_path(text)
    if path is None or not path.is_file():
        raise RequestError(f'Distillation.teacher: "{text}" is not there; {fix}.')
    return path


def kept_text(text: str) -> str:
    """A teacher with its absolute path, so that it means the same in any folder."""
    return text if text.startswith("hub:") else str(Path(text).expanduser().absolute())


def fingerprint(path: Path) -> str:
    """The sha256 of a teacher's model file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_same(text: str, recorded: str) -> None:
    """Raise RequestError if a teacher is not there, or not the one with the recorded fingerprint."""
    link = f"ln -s NEW-PLACE {quote(text)}"
    back = f"put the file with the sha256 {recorded[:12]}... there again, or a link to its new place ({link})"
    if (now := fingerprint(teacher_path(text, back))) != recorded:
        raise RequestError(
            f"Distillation.teacher = {text} has changed: the sha256 of its file is {now[:12]}..., not "
            f"{recorded[:12]}...; put the old file back, or start a new run."
        )


def check_teacher(text: str, taught: Taught) -> None:
    """Raise RequestError with everything for which a model cannot teach a network; nothing but its header is read."""
    model = empty_model(teacher_path(text))
    findings = Findings()
    with findings:
        if set(model.classes) != set(taught.classes):
            raise RequestError(
                f"Distillation.teacher = {text} has the classes {first_names(model.classes)}, and the pictures have "
                f"{first_names(taught.classes)}; give a teacher of the same classes."
            )
    with findings:
        if model.labelling is not taught.labelling:
            words = {"one": "one label", "several": "several labels"}
            raise RequestError(
                f"Distillation.teacher = {text} gives {words[model.labelling.NAME]} for a picture, and the pictures "
                f"have {words[taught.labelling.NAME]}; give a teacher of the same kind."
            )
    with findings:
        if model.preprocessing.channels != taught.channels:
            kinds = {1: "grey", 3: "colour"}
            raise RequestError(
                f"Distillation.teacher = {text} takes {kinds[model.preprocessing.channels]} pictures, and these are "
                f"{kinds[taught.channels]}; give a teacher of such pictures."
            )
        for side in taught.sides:
            try:
                count(model.network, side, taught.channels)
            except RequestError:
                raise RequestError(
                    f"Distillation.teacher = {text} cannot take pictures of {side} x {side} pixels; it was made for "
                    f"{model.preprocessing.crop}. Give --set size={model.preprocessing.crop}."
                ) from None
    findings.raise_if_any()


def teacher_side(text: str) -> int:
    """The side in pixels of the pictures that a teacher was made for."""
    return empty_model(teacher_path(text)).preprocessing.crop


def teacher_memory(text: str, side: int, pictures: int) -> Memory:
    """The memory of a teacher and of its answers to so many pictures of `side` pixels."""
    model = empty_model(teacher_path(text))
    return batch_memory(model.network, model.preprocessing.model_copy(update={"crop": side}), pictures)


class Teacher:
    """A loaded teacher. Its network is in eval mode and in its own precision.

    It gets the pixels of the network that it teaches, in their size, with its own mean and deviation in place of that
    network's. Its classes may be in another order.
    """

    def __init__(self, text: str, classes: tuple[str, ...], preprocessing: Preprocessing, device: str) -> None:
        self.model: Model = load_model(teacher_path(text), device)
        self.network = self.model.network.eval().requires_grad_(False)
        own = self.model.preprocessing
        self.order = torch.tensor([self.model.classes.index(name) for name in classes], device=device)
        self.scale: Tensor | None = None
        if (own.mean, own.std) != (preprocessing.mean, preprocessing.std):
            mean, std, its_mean, its_std = (
                torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1)
                for values in (preprocessing.mean, preprocessing.std, own.mean, own.std)
            )
            self.scale = (std / its_std).to(device)
            self.shift = ((mean - its_mean) / its_std).to(device)

    @torch.no_grad()
    def logits(self, pixels: Tensor) -> Tensor:
        """The answers to normalised pixels (B, C, H, W), in the order of the classes (B, classes), in their type."""
        shown = pixels
        if self.scale is not None:
            shown = pixels * self.scale.to(pixels.dtype) + self.shift.to(pixels.dtype)
        logits: Tensor = self.network(as_input(self.network, shown))
        return logits[:, self.order].to(pixels.dtype)
