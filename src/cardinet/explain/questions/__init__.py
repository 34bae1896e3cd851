"""The table of the questions. A new question is one file here and one row.

Nothing here imports torch, so the help of the command line is instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cardinet.base.errors import RequestError, nearest
from cardinet.data.labelling import Name

if TYPE_CHECKING:
    from cardinet.explain.question import Question
    from cardinet.train.catalogue.entries import Group


@dataclass(frozen=True)
class Row:
    """A question: its name, its class as "file:Class", and what it asks as one sentence."""

    name: str
    place: str
    about: str

    def load(self) -> type[Question]:
        """The class of the question."""
        module, _, name = self.place.partition(":")
        found: type[Question] = getattr(import_module(f"{__name__}.{module}"), name)
        return found


_ROWS = (
    Row(
        "paths", "paths:Paths", "How many paths does the network have, how long are they, and which carry the gradient?"
    ),
    Row("lesion", "lesion:Lesion", "What is lost when units are deleted, exchanged, or kept alone?"),
    Row("fusion", "fusion:Fusion", "What are the base networks of a fused network worth, alone and together?"),
    Row(
        "cardinality",
        "cardinality:Cardinality",
        "What does each transform of a unit contribute, and how alike are they?",
    ),
    Row("refinement", "refinement:Refinement", "Do the units of a stage refine one estimate?"),
    Row(
        "attention",
        "attention:Attention",
        "What do squeeze-and-excitation, selective kernels and split attention select, by class?",
    ),
    Row(
        "gradients", "gradients:Gradients", "How large are the gradients in each layer, and do they shatter with depth?"
    ),
    Row("cam", "cam:Cam", "Where does the network look, for its answer, the true class and the rival?"),
    Row(
        "calibration",
        "calibration:CalibrationQuestion",
        "Do the probabilities mean what they say, and which temperature mends them?",
    ),
    Row("mistakes", "mistakes:Mistakes", "Where does the network err, and which labels are probably wrong?"),
    Row("embed", "embed:Embed", "Which pictures are alike to the network?"),
)

QUESTIONS: dict[str, Row] = {row.name: row for row in _ROWS}
"""The questions by name, in the order of the listing."""


def find_question(name: str) -> type[Question]:
    """The class of a question. Raises RequestError with the nearest name for an unknown one."""
    if name not in QUESTIONS:
        raise RequestError(f'There is no question "{name}" ({nearest(name, QUESTIONS)}); `cardinet explain` lists all.')
    return QUESTIONS[name].load()


def settings_of(name: str) -> Group:
    """A question with its settings, for a reader. Raises RequestError as `find_question` does."""
    from cardinet.train.catalogue.entries import flat_group

    kind = find_question(name)
    pictures = "SOURCE|IMAGES" if kind.LOOSE else "SOURCE"
    source = {"none": "", "optional": f" [{pictures}]", "needed": f" {pictures}"}[kind.PICTURES]
    arrays = {"none": "", "table": " [--arrays FILE.npz|FILE.parquet]", "several": " [--arrays FILE.npz]"}[kind.ARRAYS]
    example = f"cardinet explain {name} MODEL{source}{arrays}"
    return flat_group(kind, name=name, role="question", about=QUESTIONS[name].about, example=example)


def meaningful(network: object, without: str, labels: Name = "one") -> list[str]:
    """The names of the other questions that have a meaning for a network that gives one label, or several."""
    kinds = {name: row.load() for name, row in QUESTIONS.items() if name != without}
    asked: Any = network
    return [name for name, kind in kinds.items() if labels in kind.LABELLINGS and not kind().problems(asked)]
