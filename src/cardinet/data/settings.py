"""The settings of the data: where the pictures come from and how they are varied in training."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from cardinet.base.parts import SomeOf, Table
from cardinet.base.settings import Settings
from cardinet.data.augmentations import Augmentation, Framing

Share = Annotated[float, Field(ge=0.0, le=0.5)]


class DataSettings(Settings):
    """Which pictures are used and how they are divided.

    A source's own splits are always kept. `validation` is the share of the training pictures that is split off
    (by `split_seed`, within each class) where the source has no validation split; unset, it is 0. A class
    folder without any split is divided into train, validation and test: `test` is the share of the last
    (elsewhere it has no effect) and `validation`, unset, is then 0.1, so that 80/10/10 is the default.
    """

    source: str = "digits"
    limit: int | None = Field(default=None, gt=0, description="at most this many pictures of each split, by seed")
    validation: Share | None = None
    test: Share = 0.1
    split_seed: int = Field(default=0, ge=0, lt=2**63)
    on_bad_image: Literal["fail", "skip"] = "fail"
    pixel_limit: int = Field(default=100_000_000, gt=0, description="pixels of one picture, checked before decoding")


AUGMENTATIONS = Table(Augmentation, "cardinet.data.augmentations", "augmentation")
"""Every augmentation by its name."""


def _one_framing(parts: Mapping[str, Augmentation]) -> Mapping[str, Augmentation]:
    framing = [name for name, part in parts.items() if isinstance(part, Framing) and part.acts]
    if len(framing) > 1:
        raise ValueError(
            f"{' and '.join(framing)} are both random crops; leave one of them out, by "
            f"{' or '.join(f'augmentation.{name}=none' for name in framing)}"
        )
    return parts


_SOME = SomeOf(AUGMENTATIONS)

Augmentations = Annotated[Mapping[str, Augmentation], _SOME, AfterValidator(_one_framing)]
"""How training pictures are varied: augmentations by their names, of which at most one chooses the crop."""


def named_augmentations(document: Any) -> Collection[str]:
    """The names of the augmentations that a valid document of `Augmentations` holds, however it is written."""
    return tuple(_SOME.documents(document))
