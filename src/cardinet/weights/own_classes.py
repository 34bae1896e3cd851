"""The names of the classes of weights, for pictures that have no classes themselves."""

from __future__ import annotations

from torch import nn

from cardinet.base.errors import RequestError
from cardinet.weights.classifier_rows import SYNSETS
from cardinet.weights.contents import Weights
from cardinet.weights.names.roles import HEAD
from cardinet.weights.recognise import recognise

LIBRARIES = ("torchvision:", "timm:")


def own_classes(network: nn.Module, weights: Weights) -> tuple[tuple[str, ...], str]:
    """The names of the rows of a source's classifier, in order, and a sentence if they are not the source's own.

    The 1,000 rows of a library's weights are ImageNet's classes, with torchvision's names of them. Other rows without
    names are called by their numbers. The network may be on the meta device and have another number of classes.
    Raises RequestError if the source has no classifier.
    """
    if weights.classes:
        return weights.classes, ""
    place = recognise(network, weights).theirs.get(HEAD[0])
    if place is None:
        raise RequestError(f"{weights.source} has no classifier, so it answers nothing; name a source with classes.")
    count = len(weights.tensors[place])
    if count == SYNSETS and weights.source.startswith(LIBRARIES):
        return (
            _imagenet(),
            f"The {SYNSETS:,} classes of {weights.source} are called by torchvision's names of ImageNet.",
        )
    said = f"{weights.source} does not name its {count:,} classes; they are called by the rows of its classifier."
    return tuple(f"class {row}" for row in range(count)), said


def _imagenet() -> tuple[str, ...]:
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
