"""The answer to a question: sentences, figures and tables in sections, and the same as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cardinet.explain.figures import Figure


@dataclass(frozen=True)
class Section:
    """A part of an answer: a heading, sentences, and figures below them."""

    title: str
    text: Sequence[str] = ()
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Answer:
    """What a question found. `lead` says it in one to three sentences.

    `strip` has the few numbers that stand above all, by name. `document` is plain data for JSON: every number of the
    figures, in full. `limits` are sentences on what the answer does not say. `arrays` are raw values
    by name, as arrays of numpy; `array_file` writes them (`Question.ARRAYS`). Those of pictures stand beside the names
    and labels of the pictures (`pictures.names_and_labels`).
    """

    title: str
    lead: Sequence[str]
    sections: Sequence[Section]
    document: Mapping[str, Any]
    strip: Mapping[str, str] = field(default_factory=dict)
    limits: Sequence[str] = ()
    arrays: Mapping[str, Any] = field(default_factory=dict)
