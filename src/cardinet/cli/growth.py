"""What `cardinet rewrite` is asked for beyond the same function in another form: growth, other classes and channels."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from torch import nn

    from cardinet.data.preprocessing import Preprocessing
    from cardinet.rewrite.registry import Step
    from cardinet.runs.model_file import Model

Classes = Annotated[
    str | None, typer.Option("--classes", metavar="A,B,C", help="Other classes; those that it has stay.")
]
InChannels = Annotated[
    int | None, typer.Option("--in-channels", metavar="N", help="For grey pictures (1) or colour (3).")
]
Deepen = Annotated[
    str | None, typer.Option("--deepen", metavar="3,4,6,3", help="More units in the stages, that start closed.")
]
Widen = Annotated[
    list[str] | None,
    typer.Option("--widen", metavar="KEY=VALUE", help="More widths, base_width or cardinality. Repeatable."),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, metavar="N", help="From which is drawn what is new.")]

WIDER = ("widths", "base_width", "cardinality")


@dataclass(frozen=True)
class Growth:
    """The classes, channels, depths and widths that were asked for, and the seed of what is drawn anew."""

    classes: tuple[str, ...] = ()
    channels: int | None = None
    depths: list[int] = field(default_factory=list)
    wider: dict[str, Any] = field(default_factory=dict)
    seed: int = 0

    def steps(self, model: Model) -> list[Step]:
        """The rewrites of a model, in the order in which they are applied."""
        from cardinet.rewrite.registry import Step

        known = {name: row for row, name in enumerate(model.classes)}
        rows = [known.get(name, -1) for name in self.classes]
        found: list[tuple[str, bool, dict[str, Any]]] = [
            ("classes", bool(rows), {"rows": rows, "seed": self.seed}),
            ("in_channels", self.channels is not None, {"channels": self.channels}),
            ("deepen", bool(self.depths), {"depths": self.depths, "seed": self.seed}),
            ("widen", bool(self.wider), self.wider | {"seed": self.seed}),
        ]
        return [Step(name, arguments) for name, given, arguments in found if given]

    def check(self, model: Model) -> None:
        """Raise RequestError where the model has these classes in this order already."""
        from cardinet.base.errors import RequestError

        if self.classes and self.classes == model.classes:
            raise RequestError(
                f"--classes: the model has these {len(self.classes)} classes in this order; leave it out."
            )

    def changes(self, model: Model, network: nn.Module) -> dict[str, Any]:
        """The fields of the model file that follow: class names, preprocessing and what is said of its training.

        A model of other classes or channels is not the one whose error was measured, so that what was measured stands
        under `before` there; a deeper or wider one computes the same, and only its network's name is another.
        """
        from cardinet.networks.registry import row_of

        training = dict(model.training)
        if self.depths or self.wider:
            row = row_of(cast(Any, network).spec)
            training["network"] = "custom" if row is None else row.id
        if self.classes or self.channels is not None:
            before = {"classes": list(model.classes), "channels": model.preprocessing.channels, **model.training}
            training = {"network": training.get("network", "custom"), "before": before}
        found: dict[str, Any] = {"training": training}
        if self.classes:
            found["classes"] = self.classes
        if self.channels is not None:
            found["preprocessing"] = with_channels(model.preprocessing, self.channels)
        return found

    def note(self, model: Model) -> str | None:
        """Where the proof, which is over normalised numbers, does not speak of pictures."""
        p = model.preprocessing
        if self.channels == 1 and len({*p.mean}) + len({*p.std}) > 2:
            return (
                "A grey picture is now normalised by the mean of the three means and deviations, no longer channel by "
                "channel, so some predictions change: evaluate it, and train on where that counts."
            )
        if self.channels == 3:
            return (
                "The grey value is now the mean of red, green and blue, where a decoder weighs green most, so some "
                "predictions change: evaluate it, and train on where that counts."
            )
        return None


def growth(
    classes: str | None, in_channels: int | None, deepen: str | None, widen: list[str] | None, seed: int | None
) -> Growth:
    """The options as values. Raises RequestError with everything that is wrong whatever the model is."""
    from cardinet.base.errors import Findings, RequestError

    found = Findings()
    names: tuple[str, ...] = ()
    depths: list[int] = []
    wider: dict[str, Any] = {}
    with found:
        names = _names(classes) if classes is not None else ()
    with found:
        if in_channels not in (None, 1, 3):
            raise RequestError(f"--in-channels {in_channels}: pictures have 1 channel (grey) or 3 (RGB); give 1 or 3.")
    with found:
        depths = _depths(deepen) if deepen is not None else []
    with found:
        wider = _wider(widen or [])
    found.raise_if_any()
    return Growth(names, in_channels, depths, wider, seed or 0)


def with_channels(preprocessing: Preprocessing, channels: int) -> Preprocessing:
    """The preprocessing for grey or colour pictures: the mean of the three means and deviations, or the one thrice."""
    values = {
        name: (sum(own) / len(own),) * channels if channels == 1 else own * channels
        for name, own in (("mean", preprocessing.mean), ("std", preprocessing.std))
    }
    return type(preprocessing)(**(preprocessing.model_dump() | {"channels": channels} | values))


def _names(text: str) -> tuple[str, ...]:
    """The names between the commas; one that has a comma itself stands in quotes."""
    from cardinet.base.errors import RequestError

    one_line = ",".join(text.splitlines())  # a list with a name a line is one, too
    names = [name.strip() for name in next(csv.reader([one_line], skipinitialspace=True), [])]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    wrong = [f'--classes "{name}" is given twice; give it once.' for name in twice]
    if "" in names:
        wrong = [f'--classes "{text}": a name is empty; give names between commas, as in cat,dog.']
    if len(names) < 2:
        wrong = [f'--classes "{text}": a classifier needs two classes or more, as in cat,dog.']
    if wrong:
        raise RequestError(*wrong)
    return tuple(names)


def _depths(text: str) -> list[int]:
    """The numbers between the commas. Which of them are too large, the description of the network says."""
    from cardinet.base.errors import RequestError
    from cardinet.base.settings import parse_value

    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and word.isascii() and word.strip("0") for word in words):
        raise RequestError(f'--deepen "{text}": give the number of units of every stage, as in 3,4,6,3.')
    return [parse_value(word.lstrip("0")) for word in words]


def _wider(words: list[str]) -> dict[str, Any]:
    """`KEY=VALUE` words as arguments of the rewrite."""
    from cardinet.base.errors import RequestError, nearest
    from cardinet.base.settings import parse_value

    found: dict[str, Any] = {}
    wrong = []
    for word in words:
        key, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not text:
            wrong.append(f'--widen "{word}": write it as key=value, such as base_width=128 or widths=128,256,512,1024.')
        elif key not in WIDER:
            wrong.append(f'--widen "{key}": there is no such width ({nearest(key, WIDER)}).')
        elif key in found:
            wrong.append(f'--widen "{key}" is given twice; give it once.')
        else:
            found[key] = parse_value(text)
    if wrong:
        raise RequestError(*wrong)
    return found
