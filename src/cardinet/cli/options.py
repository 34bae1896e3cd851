"""Options that several verbs share."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cardinet.data.settings import DataSettings
    from cardinet.data.source import Source
    from cardinet.runs.model_file import Model

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, by dotted path or short name. Repeatable."),
]
Device = Annotated[str, typer.Option("--device", metavar="D", help="auto, cpu, cuda or cuda:N.")]
Workers = Annotated[int, typer.Option("--workers", min=0, max=256, metavar="N", help="How many decode at once.")]


def plain(number: float) -> str:
    """A number with all its digits and without an exponent."""

    return f"{Decimal(repr(number)).normalize():f}" if math.isfinite(number) else str(number)


def model_path(model: str) -> Path | None:
    """The model file that MODEL means: a file, a run folder's, or a Hub repository's; None when it is a network's name.

    Raises RequestError for a folder without a model file.
    """
    from cardinet.base.errors import RequestError
    from cardinet.networks.registry import known

    if model.startswith("hub:"):
        from cardinet.weights.source import local

        return local(model)
    path = Path(model)
    if not path.is_dir():
        return path if path.suffix or path.exists() or "/" in model else None
    file = path / "model.safetensors"
    if file.exists():
        return file
    if not (path / "run.toml").exists() and known(model):
        return None  # a folder that happens to be called as a network
    if (path / "run.toml").exists():
        raise RequestError(f"{path} has no model yet, as its run ended before the first evaluation; --resume it first.")
    raise RequestError(f"{path} is no run folder: there is no model.safetensors in it.")


def read_model(model: str, device: str = "cpu") -> Model:
    """The classifier in a run folder or model file, on a device. Raises RequestError for anything else."""
    from cardinet.base.errors import RequestError
    from cardinet.networks.registry import known
    from cardinet.runs.model_file import load_model

    path = model_path(model)
    if path is None:
        if known(model):
            raise RequestError(
                f'"{model}" is a network\'s name and has no parameters; give a run folder or a model file '
                "(or, to evaluate it, --weights FILE)."
            )
        raise RequestError(f'"{model}" is not there; give a run folder or a model file.')
    return load_model(path, device)


def chosen_source(model: str, data: str | None, settings: list[str] | None) -> Source | None:
    """The pictures that `--data` names, else those of the run that MODEL is; None where there are neither.

    Raises RequestError for `--set` where it has nothing to change.
    """
    from cardinet.base.errors import RequestError
    from cardinet.data.source import open_source
    from cardinet.runs.folder import RunFolder
    from cardinet.runs.pictures import open_pictures

    if data is not None:
        return open_source(data, data_settings(settings))
    if not (Path(model) / "run.toml").exists():
        if settings:
            raise RequestError("--set changes how the pictures of --data are read; name them with --data.")
        return None
    if settings:
        raise RequestError("--set changes how the pictures of --data are read; a run's own are read as they were.")
    return open_pictures(RunFolder(Path(model)).record())


def changed_spec(spec: Any, assignments: list[str] | None) -> Any:
    """A network's description with `--set` laid over it; `network.KEY` and `KEY` mean the same."""
    delta = assigned(assignments, "network")
    return spec.but(**delta) if delta else spec


def data_settings(assignments: list[str] | None) -> DataSettings:
    """The settings of a source with `--set` laid over them; `data.KEY` and `KEY` mean the same."""
    from cardinet.base.settings import validate
    from cardinet.data.settings import DataSettings

    return validate(DataSettings, assigned(assignments, "data"))


def network_and_data(assignments: list[str] | None) -> tuple[dict[str, Any], list[str]]:
    """`--set` where a named network meets a source: the network's delta, and the words that are about the data.

    A short name that settings of data have means those.
    """
    from cardinet.data.settings import DataSettings

    words = [word.strip() for word in assignments or []]
    data = [
        word
        for word in words
        if word.startswith("data.") or word.partition("=")[0].strip() in DataSettings.model_fields
    ]
    return assigned([word for word in words if word not in data], "network"), data


def assigned(assignments: list[str] | None, group: str) -> dict[str, Any]:
    """`--set` words as settings of one group, with or without its name before them.

    Raises RequestError for a word without `=` and for a setting that is given twice.
    """
    from cardinet.base.settings import parse_assignments

    words = [word.strip().removeprefix(f"{group}.") for word in assignments or []]
    return parse_assignments(words)
