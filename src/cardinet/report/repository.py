"""The files of a model's repository: the model file, its card, and its description as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from cardinet.base.errors import WorkError
from cardinet.base.files import sync_folder, temporary_folder_beside
from cardinet.networks.document import to_document
from cardinet.report.card import model_card
from cardinet.runs.folder import RunRecord
from cardinet.runs.model_file import Model
from cardinet.weights.metadata import SCHEMAS
from cardinet.weights.upload import CARD, Target

MODEL, CONFIG = "model.safetensors", "config.json"


def repository_files(
    content: bytes, model: Model, target: Target, *, license: str | None = None, record: RunRecord | None = None
) -> dict[str, bytes]:
    """The files by name. `content` has the bytes of the model file, and `model` is the model in it.

    Raises RequestError if huggingface_hub is not installed.
    """
    card = model_card(model, target, license=license, record=record)
    # UTF-8 cannot write half of a surrogate pair; it becomes the escape of JSON
    return {
        MODEL: content,
        CARD: card.encode("utf-8", "backslashreplace"),
        CONFIG: config(model).encode("utf-8", "backslashreplace"),
    }


def config(model: Model) -> str:
    """The description of a model as JSON, without its training summary."""
    document = {
        "format": "cardinet",
        "schema": SCHEMAS[model.labelling.NAME],
        "version": model.version,
        "spec": to_document(model.spec),
        "temperature": model.temperature,
        "rewrites": [step.to_document() for step in model.rewrites],
        "classes": list(model.classes),
        "preprocessing": model.preprocessing.model_dump(mode="json"),
    }
    if model.thresholds:
        document |= {"labels": model.labelling.NAME, "thresholds": list(model.thresholds)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files to a new folder, all or none. Raises WorkError if they cannot be written."""
    with temporary_folder_beside(folder) as making:
        try:
            for name, content in files.items():
                with open(making / name, "xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            os.rename(making, folder)
            sync_folder(folder.parent)
        except OSError as error:
            raise WorkError(f"{folder} could not be written: {error.strerror or error}.") from error
