"""Start a run from given weights: take over their network, channels and preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source
from cardinet.networks.document import to_document
from cardinet.networks.registry import named_network
from cardinet.rewrite.steps import apply
from cardinet.train.draft import Draft, check_rewritten, draft
from cardinet.train.input_preprocessing import choose_size
from cardinet.train.recipe import Recipe
from cardinet.train.task import Task
from cardinet.weights.contents import Weights
from cardinet.weights.fitting_networks import fitting_network
from cardinet.weights.hidden_settings import given_settings
from cardinet.weights.match import fixed_settings, load, match
from cardinet.weights.recognise import recognise

Delta = Mapping[str, Any]
COLOURS = {1: "grey", 3: "colour"}


def with_network(recipe: Recipe, asked: Delta, weights: Weights) -> Recipe:
    """The recipe with the network of the weights, if the user has `asked` for none.

    The network of a rewritten model has no name; the recipe then gets its description and its rewrites. Raises
    RequestError if the weights do not state their network, and names the one that they would fit.
    """
    if {"id", "spec"} & asked.keys():
        return recipe
    if weights.spec is None:
        found = fitting_network(weights)
        hint = f"They fit {found}: cardinet train {found} --weights ..." if found else "cardinet list shows all names."
        raise RequestError(f"{weights.source} does not say to which network its weights belong; name it. {hint}")
    described = {"spec": to_document(weights.spec)}
    if weights.rewrites:
        return recipe.but("network", id="rewritten", rewrites=tuple(weights.rewrites), **described)
    row = named_network(weights.spec)
    return recipe.but("network", id="custom", **described) if row is None else recipe.but("network", id=row.id)


def with_weights(
    recipe: Recipe, asked: Delta, source: Source, weights: Weights
) -> tuple[Recipe, Draft, tuple[str, ...]]:
    """The recipe with the settings of the weights, its network, and sentences on the changes.

    `asked` are the preprocessing settings that the user and the recipe ask for. Raises RequestError for weights that do
    not fit the network.
    """
    first = draft(recipe, source)
    recipe, channels, channels_said = with_channels(recipe, first, source, weights)
    recipe, input_said = with_preprocessing(recipe, asked, source, weights, channels)
    recipe, fixed_said = with_fixed_settings(recipe, first, weights)
    found = draft(recipe, source) if channels_said or fixed_said else first
    if recipe.network.rewrites:
        check_rewritten(found.network.num_classes, source, weights.classes)
    match(found.network, weights, given_settings(recipe.network.delta))
    return recipe, found, (*channels_said, *input_said, *fixed_said)


def with_channels(
    recipe: Recipe, first: Draft, source: Source, weights: Weights
) -> tuple[Recipe, int, tuple[str, ...]]:
    """The recipe with the channels of the weights unless others are asked for, these channels, and sentences on them.

    `first` is the network for the pictures; rewrites may have changed its channels. A network for colour reads grey
    pictures as three equal channels, and a network for grey reads colour pictures as grey.
    """
    if recipe.network.rewrites:
        channels = int(first.network.spec.in_channels)
        return recipe, channels, () if channels == source.channels else (_channels_sentence(channels, source, weights),)
    channels, said = channels_of(first.network, recipe.network.delta, source, weights)
    if said:
        recipe = recipe.but("network", delta={**recipe.network.delta, "in_channels": channels})
    return recipe, channels, said


def channels_of(network: Classifier, delta: Delta, source: Source, weights: Weights) -> tuple[int, tuple[str, ...]]:
    """The channels of a network for the pictures of a source and weights, and a sentence if these differ."""
    trained = None if "in_channels" in given_settings(delta) else _channels(network, weights)
    if trained is None or trained == source.channels:
        return int(network.spec.in_channels), ()
    return trained, (_channels_sentence(trained, source, weights),)


def _channels_sentence(trained: int, source: Source, weights: Weights) -> str:
    """The sentence on pictures with other channels than the weights' training pictures."""
    how = "each picture is read as three equal channels" if trained == 3 else "each picture is read as grey"
    return (
        f"The pictures are {COLOURS[source.channels]} and {weights.source} is for {COLOURS[trained]} ones: {how} "
        f"(in_channels = {trained})."
    )


def _channels(network: Classifier, weights: Weights) -> int | None:
    """The channels of the weights' training pictures; None if they are unknown."""
    if weights.spec is not None:
        return int(weights.spec.in_channels)
    first = next((name for name, tensor in network.named_parameters() if tensor.dim() == 4), None)
    if first is None or weights.graph is not None:
        return None
    there = weights.tensors.get(recognise(network, weights).theirs.get(first, ""))
    channels = there.shape[1] if there is not None and there.dim() == 4 else None
    return channels if channels in COLOURS else None


def with_fixed_settings(recipe: Recipe, first: Draft, weights: Weights) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with the network settings that the weights fix, and sentences on them.

    A rewritten network has them already. Raises RequestError for weights that do not fit the network.
    """
    if recipe.network.rewrites:
        return recipe, ()
    fixed, said = fixed_settings(first.network, weights, given_settings(recipe.network.delta))
    return recipe.but("network", delta={**recipe.network.delta, **fixed}), said


def with_preprocessing(
    recipe: Recipe, asked: Delta, source: Source, weights: Weights, channels: int
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with the preprocessing of the weights, except for settings that are `asked` for, and sentences on it.

    If a size is asked for, the ratio of crop to shorter side stays the same.
    """
    own = weights.preprocessing
    if own is None:
        return recipe, (
            f"{weights.source} does not state its preprocessing; --dry-run shows the one that is used, and --set "
            "changes it.",
        )
    taken = preprocessing_settings(own, asked, channels)
    settings = recipe.preprocessing.model_copy(update=taken)
    said = f"The preprocessing of {weights.source} is used: {in_words(own)}."
    if others := [key for key in asked if getattr(settings, key) != _own(own, key)]:
        changed = ", ".join(f"{key} = {_plain(getattr(settings, key))} for {_plain(_own(own, key))}" for key in others)
        said = f"The preprocessing of {weights.source} is {in_words(own)}; as asked, {changed}."
    if "resize" not in asked:
        said += shorter_side(own, choose_size(settings, source)[1])
    return recipe.model_copy(update={"preprocessing": settings}), (said,)


def preprocessing_settings(own: Preprocessing, asked: Delta, channels: int) -> dict[str, Any]:
    """The settings of a recipe for a known preprocessing, without those that are asked for."""
    found: dict[str, Any] = {"interpolation": own.interpolation, "antialias": own.antialias, "size": own.crop}
    if own.resize is not None:
        found["resize"] = round(asked.get("size", own.crop) * own.resize / own.crop)
    if own.channels == channels:
        found |= {"mean": own.mean, "std": own.std}
    return {key: value for key, value in found.items() if key not in asked}


def shorter_side(own: Preprocessing, used: int | None) -> str:
    """A sentence if the shorter side that is `used` differs from that of a preprocessing; else empty."""
    return "" if used == own.resize else f" Here the shorter side becomes {used} before the crop."


def in_words(own: Preprocessing) -> str:
    """A preprocessing as one line of text."""
    resize = "" if own.resize is None else f"shorter side {own.resize}, "
    antialias = "" if own.antialias else " without antialias"
    mean, std = (_plain(values) for values in (own.mean, own.std))
    return f"{resize}size {own.crop}, {own.interpolation}{antialias}, mean {mean}, std {std}"


def _own(own: Preprocessing, key: str) -> Any:
    return own.crop if key == "size" else getattr(own, key)


def _plain(value: Any) -> str:
    return " ".join(f"{v:.4g}" for v in value) if isinstance(value, tuple) else str(value)


def initial_network(task: Task, weights: Weights | None) -> tuple[Classifier, list[str]]:
    """The initial network of a task, before the rewrites that its methods add, and sentences on the weights.

    Raises RequestError for weights that do not fit.
    """
    built = cast(Classifier, apply(build(task.spec, init=task.recipe.network.init), task.recipe.network.steps()))
    if weights is None:
        return built, []
    return built, load(built, weights, given_settings(task.recipe.network.delta), task.source.classes).sentences()


def weights_sentences(task: Task, network: Classifier, weights: Weights | None) -> list[str]:
    """The sentences of `initial_network` on the weights, from the network on the meta device."""
    if weights is None:
        return []
    return match(network, weights, given_settings(task.recipe.network.delta), task.source.classes).sentences()


def drawn_tensors(task: Task, network: Classifier, weights: Weights | None) -> tuple[str, ...]:
    """The tensors whose first values are drawn at random, from the network on the meta device."""
    if weights is None:
        return tuple(network.state_dict())
    return match(network, weights, given_settings(task.recipe.network.delta), task.source.classes).reinitialised
