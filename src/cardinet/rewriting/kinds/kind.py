"""The declaration of a rewrite for users: its option, its checks and its effects on the model file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cardinet.base.option import Option

if TYPE_CHECKING:
    from cardinet.runs.model_file import Model


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A rewrite that users can request. Its option has the same name as the rewrite in `rewrite.steps`.

    The option's value is the rewrite's `argument`, unless it is a flag. `draws`: it also takes the seed. `grows`: the
    network can get another name. `relearns`: the measured figures of the model do not hold for the new one.
    `pictures` is the error message if it needs training pictures and there are none; empty: it needs none.
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
        """Parse the value of the option. Raises RequestError with all faults that do not depend on the model."""
        self.option.check(given)
        return given

    def check_beside(self, others: Collection[str]) -> None:
        """Raise RequestError if it cannot be combined with the other requested rewrites."""

    def check(self, value: Any, model: Model) -> None:
        """Raise RequestError if the model already is as requested and the rewrite itself cannot know that."""

    def arguments(self, value: Any, model: Model) -> Mapping[str, Any]:
        """The arguments of the rewrite, without the seed."""
        return {self.argument: value} if self.argument else {}

    def changes(self, value: Any, model: Model) -> Mapping[str, Any]:
        """The fields of the model file that change, beside the network and the training summary."""
        return {}

    def summary(self, training: Mapping[str, Any]) -> Mapping[str, Any]:
        """The training summary of the new model, from that of the old one."""
        return training

    def note(self, value: Any, model: Model) -> str | None:
        """Notes about pictures that the proof, which uses normalised numbers, does not cover."""
        return None
