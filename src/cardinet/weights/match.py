"""Loading a state dict into a network by name, and saying what became of every tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError

HEAD = ("fc.weight", "fc.bias")


@dataclass(frozen=True)
class Match:
    """What was loaded, what was left out of the file, and what the network drew anew."""

    loaded: tuple[str, ...]
    reinitialised: tuple[str, ...]
    left_over: tuple[str, ...]

    def sentences(self) -> list[str]:
        """The outcome, for the user; nothing is dropped in silence."""
        said = [f"{len(self.loaded)} tensors loaded."]
        if self.reinitialised:
            said.append(
                f"New classifier: {', '.join(self.reinitialised)} drawn anew; the file has none for these classes."
            )
        if self.left_over:
            said.append(f"Not used from the file: {_some(self.left_over)}.")
        return said


def match(network: nn.Module, state: Mapping[str, Tensor]) -> Match:
    """What `load_matching` would do; the network may be on the meta device. Raises as it does."""
    own = network.state_dict()
    new_head = tuple(n for n in HEAD if n in own and (n not in state or state[n].shape != own[n].shape))
    if len(new_head) == 1:  # a bias alone is not drawn anew beside a weight from the file
        new_head = tuple(n for n in HEAD if n in own)
    missing = [n for n in own if n not in state and n not in new_head and not n.endswith("num_batches_tracked")]
    wrong = [
        f"{n} is {_shape(state[n])} in the file and {_shape(own[n])} in the network"
        for n in own
        if n in state and n not in new_head and state[n].shape != own[n].shape
    ]
    left_over = tuple(n for n in state if n not in own)
    if missing or wrong:
        problems = wrong[:3] + [f"{n} is missing in the file" for n in missing[:3]]
        more = len(wrong) + len(missing) - len(problems)
        rest = f"; and {more} more" if more > 0 else ""
        unused = f" Names that only the file has: {_some(left_over)}." if left_over else ""
        raise RequestError(
            f"The weights do not fit this network: {'; '.join(problems)}{rest}.{unused} "
            "Name the network that they were trained in."
        )
    return Match(tuple(n for n in own if n in state and n not in new_head), new_head, left_over)


def load_matching(network: nn.Module, state: Mapping[str, Tensor]) -> Match:
    """Copy a state dict into a network by name; a classifier for another number of classes stays as it was drawn.

    A missing `num_batches_tracked` (old checkpoints) stays 0. Raises RequestError with every other difference,
    and the network is then unchanged.
    """
    found = match(network, state)
    own = network.state_dict()
    with torch.no_grad():
        for name in found.loaded:
            own[name].copy_(state[name])
    return found


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
