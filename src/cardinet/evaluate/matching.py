"""Whether a model and the pictures of a source belong together."""

from __future__ import annotations

from collections.abc import Sequence

from cardinet.base.errors import RequestError
from cardinet.blocks.merge import Drawn
from cardinet.data.source import Source
from cardinet.runs.model_file import Model


def check_classes(model: Model, source: Source) -> None:
    """Raise RequestError when the source's classes are not the model's, in the model's order."""
    if model.classes == source.classes:
        return
    unknown = [name for name in source.classes if name not in model.classes]
    what = f"it does not know {_some(unknown)}" if unknown else "their number or order differs"
    raise RequestError(
        f"The model was trained on the classes {_some(model.classes)}, and {source.text} has {_some(source.classes)}: "
        f"{what}. Give pictures of the same classes."
    )


def check_passes(model: Model, passes: int) -> None:
    """Raise RequestError when several passes are asked of a network that draws nothing."""
    if passes > 1 and not any(isinstance(module, Drawn) for module in model.network.modules()):
        raise RequestError(
            f"--passes {passes}: this network draws nothing, so every pass would be the same; leave --passes away."
        )


def choose_split(source: Source, asked: str | None) -> str:
    """The split to evaluate: the one asked for, else test or what is nearest to it. Raises RequestError."""
    if asked is None:
        return next(name for name in ("test", "validation", "train") if name in source.splits)
    if asked not in source.splits:
        raise RequestError(f'{source.text} has no split "{asked}"; it has {", ".join(source.splits)}.')
    return asked


def _some(names: Sequence[str]) -> str:
    """The first names, and how many there are."""
    return ", ".join(names[:5]) + (f", ... ({len(names):,})" if len(names) > 5 else "")
