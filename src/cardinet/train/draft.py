"""The network of a run before it has values: on the meta device, where every check looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.data.source import Source
from cardinet.rewrite.registry import apply
from cardinet.train.recipe import Recipe
from cardinet.weights.printable import first_names


@dataclass(frozen=True)
class Draft:
    """A description, and its network on the meta device after the rewrites that the recipe names.

    What looks at the network leaves it as it was, so that one draft serves every check of a request.
    """

    spec: Any
    network: Classifier


def draft(recipe: Recipe, source: Source) -> Draft:
    """The network of a recipe for the classes and channels of a source, or those that are asked for.

    Raises RequestError for an unknown network and for settings that do not fit.
    """
    if recipe.network.id == "auto":
        raise RequestError("Name a network: the recipe leaves it open. `cardinet list` shows all.")
    spec = _description(recipe, source)
    return Draft(spec, cast(Classifier, apply(build(spec, device="meta"), recipe.network.steps())))


def check_rewritten(count: int, source: Source, classes: tuple[str, ...] = ()) -> None:
    """Raise RequestError where a rewritten model has other classes than the source; a plain network follows this.

    The model has `count` classes; their names are compared too, in order, where they are known.
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
    if recipe.network.rewrites:  # by steps that know its classes and channels, and may have changed them
        if delta:
            raise RequestError(f"{', '.join(delta)}: a rewritten model's network is as it is; leave its settings out.")
        return spec
    made = spec.but(**{"num_classes": len(source.classes), "in_channels": source.channels, **delta})
    if made.num_classes != len(source.classes):
        raise RequestError(
            f"num_classes = {made.num_classes}: the data has {len(source.classes)} classes; leave the setting out."
        )
    if made.in_channels not in (1, 3):
        raise RequestError(f"in_channels = {made.in_channels}: pictures have 1 (grey) or 3 (colour) channels.")
    return made
