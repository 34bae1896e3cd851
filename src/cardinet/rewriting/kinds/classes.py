"""Other classes: `--classes cat,dog`."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cardinet.base.errors import RequestError
from cardinet.base.option import Option
from cardinet.rewriting.kinds.kind import Kind

if TYPE_CHECKING:
    from cardinet.runs.model_file import Model


class Classes(Kind):
    """Change the classes: classes that the model has keep their row, new ones get a random row."""

    def read(self, given: Any) -> tuple[str, ...]:
        """The names between the commas. Quote a name that has a comma itself."""
        self.option.check(given)
        one_line = ",".join(given.splitlines())  # a list with one name per line is allowed too
        names = [name.strip() for name in next(csv.reader([one_line], skipinitialspace=True), [])]
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        wrong = [f'--classes "{name}" is given twice; give it once.' for name in twice]
        if "" in names:
            wrong = [f'--classes "{given}": a name is empty; give names between commas, as in cat,dog.']
        if len(names) < 2:
            wrong = [f'--classes "{given}": a classifier needs two classes or more, as in cat,dog.']
        if wrong:
            raise RequestError(*wrong)
        return tuple(names)

    def check(self, value: tuple[str, ...], model: Model) -> None:
        if value == model.classes:
            raise RequestError(f"--classes: the model has these {len(value)} classes in this order; omit --classes.")

    def arguments(self, value: tuple[str, ...], model: Model) -> Mapping[str, Any]:
        known = {name: row for row, name in enumerate(model.classes)}
        return {"rows": [known.get(name, -1) for name in value]}

    def changes(self, value: tuple[str, ...], model: Model) -> Mapping[str, Any]:
        return {"classes": value, "thresholds": model.labelling.first_thresholds(len(value))}

    def note(self, value: tuple[str, ...], model: Model) -> str | None:
        if not model.thresholds:
            return None
        return (
            "The thresholds of the labels are 0.5 again: they were fitted to the old classes; a training fits new ones."
        )


CLASSES = Classes(
    option=Option(
        name="classes", type=str, metavar="A,B,C", help="Change the classes. Old ones in the list keep their weights."
    ),
    draws=True,
    relearns=True,
)
