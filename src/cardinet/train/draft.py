"""The network of a run without values, on the meta device, for all checks of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.data.source import Source
from cardinet.rewrite.steps import apply
from cardinet.train.recipe import Recipe
from cardinet.weights.printable import first_names


@dataclass(frozen=True)
class Draft:
    """A description, and its network on the meta device after the rewrites that the recipe names.

    Checks must leave the network unchanged, so that one draft serves all of them.
    """

    spec: Any
    network: Classifier


def draft(recipe: Recipe, source: Source) -> Draft:
    """The network of a recipe for the classes and channels of a source, unless the recipe asks for others.

    Raises RequestError for an unknown network and for settings that do not fit.
    """
    if recipe.network.id == "auto":
        raise RequestError("Name a network: the recipe names none. `cardinet list` shows all.")
    spec = _description(recipe, source)
    return Draft(spec, cast(Classifier, apply(build(spec, device="meta"), recipe.network.steps())))


def check_rewritten(count: int, source: Source, classes: tuple[str, ...] = ()) -> None:
    """Raise RequestError if a rewritten model has other classes than the source. A plain network adapts to the source.

    The model has `count` classes. Their names are compared too, in order, if they are known.
    """
    if count != len(source.classes):
        have = f"has {count} classes and {source.text} {len(source.classes)}"
    elif classes and classes != source.classes:
        have = f"has the classes {first_names(classes)}, and {source.text} has {first_names(source.classes)}"
    else:
        return
    raise RequestError(f"The model {have}; give it those first: cardinet rewrite MODEL --classes A,B,C.")


def _description(recipe: Recipe, source: Source) -> Any:
    spec, delta = recipe.network.described(), recipe.network.delta
    if recipe.network.rewrites:  # its rewrites depend on its classes and channels
        if delta:
            raise RequestError(
                f"{', '.join(delta)}: the network of a rewritten model cannot be changed; remove these settings."
            )
        return spec
    made = spec.but(**{"num_classes": len(source.classes), "in_channels": source.channels, **delta})
    if made.num_classes != len(source.classes):
        raise RequestError(
            f"num_classes = {made.num_classes}: the data has {len(source.classes)} classes; remove the setting."
        )
    if made.in_channels not in (1, 3):
        raise RequestError(f"in_channels = {made.in_channels}: pictures have 1 (grey) or 3 (colour) channels.")
    return made
