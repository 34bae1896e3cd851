"""Grey pictures or colour: `--in-channels 1`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cardinet.base.errors import RequestError
from cardinet.base.option import Option
from cardinet.rewriting.kinds.kind import Kind

if TYPE_CHECKING:
    from cardinet.data.preprocessing import Preprocessing
    from cardinet.runs.model_file import Model


class InChannels(Kind):
    """Change the input channels of the network and of its preprocessing."""

    def read(self, given: Any) -> int:
        if type(given) is not int or given not in (1, 3):
            raise RequestError(f"--in-channels {given}: pictures have 1 channel (grey) or 3 (RGB); give 1 or 3.")
        return given

    def changes(self, value: int, model: Model) -> Mapping[str, Any]:
        return {"preprocessing": with_channels(model.preprocessing, value)}

    def note(self, value: int, model: Model) -> str | None:
        p = model.preprocessing
        if value == 3:
            return (
                "The grey value is now the mean of red, green and blue; a decoder gives green the largest weight. So "
                "some predictions change: evaluate the new model, and train it further if they matter."
            )
        if len({*p.mean}) + len({*p.std}) > 2:
            return (
                "A grey picture is now normalised by the mean of the three means and deviations, no longer channel by "
                "channel. So some predictions change: evaluate the new model, and train it further if they matter."
            )
        return None


def with_channels(preprocessing: Preprocessing, channels: int) -> Preprocessing:
    """The preprocessing for grey or colour pictures: averages of three values, or three copies of one."""
    values = {
        name: (sum(own) / len(own),) * channels if channels == 1 else own * channels
        for name, own in (("mean", preprocessing.mean), ("std", preprocessing.std))
    }
    return type(preprocessing)(**(preprocessing.model_dump() | {"channels": channels} | values))


IN_CHANNELS = InChannels(
    option=Option(
        name="in_channels", type=int, metavar="N", help="Change the input to grey (1) or colour (3) pictures."
    ),
    argument="channels",
    relearns=True,
)
