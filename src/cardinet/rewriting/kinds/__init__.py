"""The table of the rewrites that users can request, in the order in which they are listed and applied.

Nothing here imports torch, so the help of the command line is instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from cardinet.base.option import Option
from cardinet.rewriting.kinds.classes import CLASSES
from cardinet.rewriting.kinds.deepen import DEEPEN
from cardinet.rewriting.kinds.in_channels import IN_CHANNELS
from cardinet.rewriting.kinds.kind import Kind
from cardinet.rewriting.kinds.temperature import TEMPERATURE
from cardinet.rewriting.kinds.unfold import UNFOLD
from cardinet.rewriting.kinds.widen import WIDEN

_ROWS = (
    Kind(option=Option(name="strip", help="Remove dropout, drop-path and other random rules.")),
    CLASSES,
    IN_CHANNELS,
    DEEPEN,
    WIDEN,
    Kind(
        option=Option(
            name="form", type=Literal["a", "b", "c"], help="Use form (a), (b) or (c) of Figure 3 of ResNeXt."
        ),
        argument="form",
    ),
    Kind(option=Option(name="merge_branches", help="Merge parallel linear branches into one convolution (RepVGG).")),
    Kind(option=Option(name="fold", help="Fold BN into the layers before or after it.")),
    UNFOLD,
    Kind(
        option=Option(name="pack", type=int, least=1, metavar="N", help="Join groups until each has N channels."),
        argument="width",
    ),
    Kind(option=Option(name="unpack", help="Split packed groups again.")),
    TEMPERATURE,
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ROWS}
"""The rewrites by their names in a model file."""

SEED = Option(name="seed", type=int, least=0, metavar="N", help="The seed of new random weights.")
"""The option of all rewrites that draw new weights."""

PRUNING = (
    Option(name="prune", help="Remove channels with ResRep, in a training run with the recipe prune."),
    Option(name="keep_macs", type=float, metavar="X", help="With --prune: the share of MACs to keep (0.5)."),
    Option(name="epochs", type=float, metavar="N", help="With --prune: the length of the training."),
)
"""The options of a pruning, which changes the function and tries to keep the error."""


def options() -> Iterator[Option]:
    """All options in the order of the listing. The seed follows the last rewrite that draws."""
    last = [kind.name for kind in _ROWS if kind.draws][-1]
    for kind in _ROWS:
        yield kind.option
        if kind.name == last:
            yield SEED
    yield from PRUNING
