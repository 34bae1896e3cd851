"""Names of tensors in well-known training code that is not a library, and the settings that such code implies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cardinet.weights.layout import Layout


@dataclass(frozen=True)
class CodeBase:
    """The names in some code, and the settings that all its networks share.

    `settings` apply to the networks that have them. `of` is the libraries' layout of the same networks, if the
    libraries have all of them.
    """

    name: str
    layout: Layout
    settings: Mapping[str, Any] = field(default_factory=dict)
    of: Layout | None = None


TRANSFORMERS = Layout(
    (
        (r"^layer(\d+)\.(\d+)\.downsample\.", "resnet.encoder.stages.<1-1>.layers.<2>.shortcut."),
        (r"^layer(\d+)\.(\d+)\.(conv|bn)(\d)\.", "resnet.encoder.stages.<1-1>.layers.<2>.layer.<4-1>.<3>."),
        (r"^(conv|bn)1\.", "resnet.embedder.embedder.<1>."),
        (r"\.(conv|0)\.(?=weight$)", ".convolution."),
        (r"\.(bn|1)\.(?=[a-z_]+$)", ".normalization."),
        (r"^fc\.", "classifier.1."),
    )
)
CODE_BASES = (
    CodeBase(
        "the ResNets for CIFAR of pytorch_resnet_cifar10 and pytorch-cifar (blocks layer1.0, classifier linear)",
        Layout(((r"^fc\.", "linear."), (r"downsample\.", "shortcut."))),
        settings={"pad": "both"},  # F.pad by planes // 4 before and after
    ),
    CodeBase("transformers' names", TRANSFORMERS, of=Layout()),
)
