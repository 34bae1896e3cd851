"""The contents of a source of weights, in any format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from cardinet.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class Weights:
    """Tensors under the names that their source gives them.

    - `ordered`: whether the tensors have the order of their registration (safetensors does not keep it);
    - `spec`: the network, if the source states it, and `rewrites`: documents of the rewrites since;
    - `settings`: single settings of the network, such as {"pad": "end"};
    - `graph`: the network that a .t7 file describes beside its tensors;
    - `model_file`: whether the source is a whole model file;
    - `notes`: sentences on how it was read;
    - `skipped`: the entries that are not tensors, by name, with their types;
    - `preprocessing`: that of the training pictures, if the source states it;
    - `classes`: the names of the classifier's rows, if the source states them.
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
