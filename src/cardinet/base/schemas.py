"""Typed values from documents that this program has written. Errors name the place that does not fit the schema."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cardinet.base.documents import BOUNDS, Bounds, DocumentError, parse_json, read_bytes
from cardinet.base.errors import WorkError
from cardinet.base.settings import to_request_error

T = TypeVar("T")

Count = Annotated[int, Field(ge=0, lt=2**53)]
"""A number of things, or the index of one."""

Seconds = Annotated[float, Field(ge=0, le=1e12)]


class Document(BaseModel):
    """A frozen schema of a document that this program writes and reads back. Unknown entries are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def conform(kind: type[T] | Any, document: Any, where: str = "") -> T:
    """The typed value of a document. `kind` is any type; `where` ("recipe.") is the document's place in a larger one.

    Raises DocumentError with the first fault and the number of the others.
    """
    try:
        found: T = _adapter(cast(Hashable, kind)).validate_python(document)
        return found
    except ValidationError as error:
        known = list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
        first, *others = to_request_error(error, known, where, noun="entry").findings
        more = f" ({len(others):,} more like it)" if others else ""
        raise DocumentError(f"{first.rstrip('.')}{more}") from None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """The validator of a type. It is cached because making it takes longer than using it."""
    return TypeAdapter(kind)


def read_document(
    path: Path, kind: type[T] | Any, parse: Callable[[bytes, Bounds], Any] = parse_json, bounds: Bounds = BOUNDS
) -> T:
    """The typed document in a file that this program has written. Raises WorkError with the fault and its place."""
    try:
        found: T = conform(kind, parse(read_bytes(path, bounds.size), bounds))
        return found
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror or error}.") from None
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: {error}.") from None
