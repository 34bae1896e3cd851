"""The claims, one file each: a new claim is a new file here, which defines CLAIM."""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import get_args

from cardinet.base.errors import RequestError, nearest
from cardinet.reproduce.claim import Chapter, Claim


@functools.cache
def claims() -> Mapping[str, Claim]:
    """All claims by id, in the order of the chapters and of their files."""
    modules = (import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    chapters = get_args(Chapter)
    return {claim.id: claim for claim in sorted((m.CLAIM for m in modules), key=lambda c: chapters.index(c.chapter))}


def find_claim(name: str) -> Claim:
    """A claim. Raises RequestError with the nearest names for an unknown one."""
    if name not in claims():
        raise RequestError(f'There is no claim "{name}" ({nearest(name, claims())}). `cardinet reproduce` lists all.')
    return claims()[name]
