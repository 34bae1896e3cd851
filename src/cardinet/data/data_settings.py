"""The settings of the data: where the pictures come from and how they are varied in training."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from cardinet.base.recipe_parts import SomeOf, Table
from cardinet.base.settings import Settings
from cardinet.data.augmentations import Augmentation, Framing

Share = Annotated[float, Field(ge=0.0, le=0.5)]


class DataSettings(Settings):
    """Which pictures are used and how they are divided.

    A source's own splits are always kept. A class folder without any split is divided 80/10/10 by default.
    """

    source: str = "digits"
    """Where the pictures come from: digits, a folder of class folders, KIND:PATH or a named set."""

    picture_column: str | None = None
    """The column with the pictures of a table, or with their files; none: the one with a usual name, such as file."""

    label_column: str | None = None
    """The column of a table that holds the labels; none: the one with a usual name, such as label or class. With labels
    = columns or marks the columns, with commas; none: for marks all others.
    """

    labels: Literal["one", "list", "columns", "marks"] = "one"
    """How the labels of a picture are written: one label; list: several, in one cell of a table or one file of a tar
    shard (.json with a list, .cls or .txt with a name in each line); columns: several, each in its own column; marks: a
    column of 0 and 1 for each class.
    """

    label_separator: str | None = None
    """The text between the labels in a cell of a csv table or a text of a tar shard (labels = list), such as | or the
    word space; none: for tar shards the end of the line.
    """

    split_column: str | None = None
    """The column of a table that says train, validation or test; none: a column called split, if there is one."""

    root: str | None = None
    """The folder of a table's pictures, seen from the table's own folder; none: the table's folder."""

    class_names: str | None = None
    """The file with the names of the classes of tar shards, one in each line, seen from the shards' folder; none: the
    labels name them.
    """

    shuffle_shards: int = Field(default=16, ge=1)
    """The number of shards (tar, large parquet) whose pictures are shuffled together in training, in an order of shards
    that is random too.
    """

    shard_cache: float = Field(default=32.0, gt=0.0, allow_inf_nan=False)
    """The most GiB of shards that are kept on disk, of those that are fetched or converted."""

    limit: int | None = Field(default=None, gt=0)
    """The most pictures of each split, chosen by seed; none: all."""

    validation: Share | None = None
    """The share of the training pictures, within each class, that becomes the validation split where the source has
    none; none: 0.1 for a class folder without any split, else 0.
    """

    test: Share = 0.1
    """The share that becomes the test split of a class folder without any split; it has no effect elsewhere."""

    folds: int | None = Field(default=None, ge=2, le=1000)
    """The number of folds, alike in their classes, into which the training pictures are divided; none: no folds."""

    fold: int | None = Field(default=None, ge=0)
    """The fold that is the validation split, from 0 to folds - 1; the others are trained on."""

    split_seed: int = Field(default=0, ge=0, lt=2**63)
    """The seed that decides which picture goes into which split."""

    on_bad_image: Literal["fail", "skip"] = "fail"
    """What happens at a picture that cannot be read: fail ends the run, skip leaves the picture out."""

    draft: bool = False
    """Whether training decodes large JPEG pictures at 1/2, 1/4 or 1/8 of their size, down to what it needs of them;
    faster, with slightly other pixels. All else decodes in full.
    """

    pixel_limit: int = Field(default=100_000_000, gt=0)
    """The most pixels of one picture; it is checked before the picture is decoded."""

    @model_validator(mode="after")
    def _check_labels(self) -> DataSettings:
        if self.label_separator is not None and self.labels != "list":
            raise ValueError(f"label_separator is for labels = list, and labels is {self.labels}")
        return self

    @model_validator(mode="after")
    def _check_folds(self) -> DataSettings:
        if (self.folds is None) != (self.fold is None):
            given, missing = ("folds", "fold") if self.fold is None else ("fold", "folds")
            raise ValueError(f"{given} needs {missing}: set data.folds=5 and data.fold=0, then 1, 2, 3 and 4")
        if self.folds is not None and self.fold is not None:
            if self.fold >= self.folds:
                raise ValueError(f"fold = {self.fold}: the {self.folds} folds are 0 to {self.folds - 1}")
            if self.validation is not None:
                raise ValueError(
                    f"validation = {self.validation:g} and folds = {self.folds} both choose the validation split; "
                    "omit one of them"
                )
        return self


DIVIDING = ("validation", "test", "folds", "fold", "split_seed")
"""The settings that divide a source into splits."""


AUGMENTATIONS = Table(Augmentation, "cardinet.data.augmentations", "augmentation")
"""All augmentations by name."""


def _one_framing(parts: Mapping[str, Augmentation]) -> Mapping[str, Augmentation]:
    framing = [name for name, part in parts.items() if isinstance(part, Framing) and part.acts]
    if len(framing) > 1:
        raise ValueError(
            f"{' and '.join(framing)} are both random crops; remove one of them by "
            f"{' or '.join(f'augmentation.{name}=none' for name in framing)}"
        )
    return parts


_SOME = SomeOf(AUGMENTATIONS)

Augmentations = Annotated[Mapping[str, Augmentation], _SOME, AfterValidator(_one_framing)]
"""The augmentations of training pictures, by name. At most one of them chooses the crop."""


def named_augmentations(document: Any) -> Collection[str]:
    """The names of the augmentations in a valid document of `Augmentations`, in any of its notations."""
    return tuple(_SOME.documents(document))
