"""What a source of weights holds, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from cardinet.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class Weights:
    """Tensors under the names that their source gives them.

    `ordered` says whether they stand in the order in which they were registered (safetensors does not keep it).
    `spec` is the network that the source itself states, where it does, and `rewrites` are documents of what was done to
    it since; `settings` are single ones of it, such as {"pad": "end"}; `graph` is the network that a .t7 file describes
    beside its tensors; `model_file` says that it is a whole model file. `notes` are sentences on how it was read;
    `skipped` are the entries that are no tensors, by name, with what they are. `preprocessing` is what was done to the
    pictures with which they were trained, and `classes` are the names of the classifier's rows, where the source says
    that.
    """

    source: str
    tensors: Mapping[str, Tensor]
    ordered: bool = True
    spec: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    rewrites: tuple[Any, ...] = ()
    graph: nn.Module | None = None
    model_file: bool = False
    notes: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] = ()
