"""What a rewrite declares of itself for those who ask for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cardinet.rewriting.kinds.option import Option

if TYPE_CHECKING:
    from cardinet.runs.model_file import Model


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A rewrite that users can ask for, by the name that it has in `rewrite.steps` and its option.

    The option's value is the rewrite's `argument`, unless it is a flag. `draws`: it takes the seed too. `grows`: the
    network can get another name. `relearns`: what was measured of the model is not true of the new one. `pictures` is
    what is said where there are no training pictures, from which its values follow; empty where it needs none.
    """

    option: Option
    argument: str = ""
    draws: bool = False
    grows: bool = False
    relearns: bool = False
    pictures: str = ""

    @property
    def name(self) -> str:
        return self.option.name

    def read(self, given: Any) -> Any:
        """The value that an option means. Raises RequestError with all that is wrong whatever the model is."""
        self.option.check(given)
        return given

    def check_beside(self, others: Collection[str]) -> None:
        """Raise RequestError where it cannot be asked for together with others, which are named."""

    def check(self, value: Any, model: Model) -> None:
        """Raise RequestError where the model is what is asked for, and the rewrite itself cannot know that."""

    def arguments(self, value: Any, model: Model) -> Mapping[str, Any]:
        """The arguments of the rewrite, without the seed."""
        return {self.argument: value} if self.argument else {}

    def changes(self, value: Any, model: Model) -> Mapping[str, Any]:
        """The fields of the model file that follow, beside its network and what is said of its training."""
        return {}

    def note(self, value: Any, model: Model) -> str | None:
        """What the proof, which is over normalised numbers, does not say of pictures."""
        return None
