"""Documents that this program reads back, as typed values: what does not fit its schema is said with its place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cardinet.base.documents import BOUNDS, Bounds, DocumentError, parse_json, read_bytes
from cardinet.base.errors import WorkError
from cardinet.base.settings import explain

T = TypeVar("T")

Count = Annotated[int, Field(ge=0, lt=2**53)]
"""How many of something there are, or which one it is."""

Seconds = Annotated[float, Field(ge=0, le=1e12)]


class Document(BaseModel):
    """A frozen schema of what this program writes and reads back. Entries that it does not know are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def conform(kind: type[T] | Any, document: Any, where: str = "") -> T:
    """A document, which stands at `where` ("recipe."), as what a schema says: a model or a type of several.

    Raises DocumentError with the first thing that is wrong and how many more there are.
    """
    try:
        found: T = _adapter(cast(Hashable, kind)).validate_python(document)
        return found
    except ValidationError as error:
        known = list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
        first, *others = explain(error, known, where, noun="entry").findings
        more = f" ({len(others):,} more like it)" if others else ""
        raise DocumentError(f"{first.rstrip('.')}{more}") from None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """What checks a type; making it takes longer than using it."""
    return TypeAdapter(kind)


def read_document(
    path: Path, kind: type[T] | Any, parse: Callable[[bytes, Bounds], Any] = parse_json, bounds: Bounds = BOUNDS
) -> T:
    """The typed document in a file that this program has written. Raises WorkError with what is wrong, and where."""
    try:
        found: T = conform(kind, parse(read_bytes(path, bounds.size), bounds))
        return found
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror or error}.") from None
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: {error}.") from None
