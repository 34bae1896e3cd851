"""What a recipe needs where a picture may have several labels: an objective that learns them, and what is refused."""

from __future__ import annotations

from cardinet.base.errors import Findings, RequestError
from cardinet.data.labelling import ONE, Labelling
from cardinet.data.source import Source
from cardinet.evaluate.label_sets import require_answers
from cardinet.train.objectives import Objective
from cardinet.train.recipe import OBJECTIVES, Recipe


def with_objective(recipe: Recipe, labelling: Labelling, *, asked: bool) -> Recipe:
    """The recipe with an objective that learns these labels, unless its own does or the user has asked for one."""
    if asked or labelling.NAME in recipe.objective.LABELLINGS:
        return recipe
    return recipe.model_copy(update={"objective": _learning(labelling)[0]()})


def _learning(labelling: Labelling) -> list[type[Objective]]:
    """The objectives that learn these labels."""
    return [kind for kind in OBJECTIVES.rows.values() if labelling.NAME in kind.LABELLINGS]


def check_labels(recipe: Recipe, source: Source) -> None:
    """Raise RequestError with everything in a recipe that does not fit the number of labels of a picture."""
    name, objective, findings = source.labelling.NAME, recipe.objective, Findings()
    with findings:
        if name not in objective.LABELLINGS:
            others = " or ".join(kind.__name__ for kind in _learning(source.labelling))
            raise RequestError(
                f"{type(objective).__name__} learns one label for each picture, and {source.text} has several; use "
                f"--set objective={others}."
            )
    for method in recipe.methods.values():
        with findings:
            if name not in method.LABELLINGS:
                raise RequestError(
                    f"methods.{type(method).__name__} is for one label for each picture, and {source.text} has "
                    "several; remove it."
                )
    with findings:
        if recipe.training.balanced and source.labelling is not ONE:
            raise RequestError(
                "training.balanced draws equally many pictures of each class, and a picture of several classes counts "
                "for all of them; use --set objective.positive_weights=balanced in its place."
            )
    with findings:
        if source.labelling is not ONE:
            measured = [len(split) for key, split in source.splits.items() if key != "train"]
            require_answers(max(measured, default=0), len(source.classes))
    findings.raise_if_any()
