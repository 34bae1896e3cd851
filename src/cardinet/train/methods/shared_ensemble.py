"""Joint training of the base networks of a deeply-fused network: Zhao et al. 2016 (arXiv 1611.07718, first version).

The released graph (zlmzju/fusenet, network/ensemble.py) has a softmax for each base network. All share convolutions, BN
scales and biases, and classifier; each has BN statistics of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cardinet.base.errors import Findings, RequestError
from cardinet.train.methods import Conditions, Hooks, Method, Pass
from cardinet.train.objectives.cross_entropy import CrossEntropy

if TYPE_CHECKING:
    import torch
    from torch import nn

    from cardinet.blocks.classifier import Classifier
    from cardinet.blocks.deeply_fused import DeeplyFusedNet


MOST = 256
"""The largest number of base networks that are trained together."""


class SharedEnsemble(Method):
    """The base networks of a deeply-fused network are trained in its place; they share its parameters.

    The loss is the mean cross-entropy of all base networks, without the recipe's label smoothing. The errors in the
    log are still those of the fused network itself, which is not trained.
    """

    without_deepest: bool = False
    """Whether the base network with the deep line of every block is left out."""

    LABELLINGS = ("one",)
    SELECTS = False  # the errors of the log are not those of the ensemble

    def check(self, network: Classifier, conditions: Conditions) -> None:
        findings = Findings()
        with findings:
            if not isinstance(conditions.objective, CrossEntropy) or conditions.objective.class_weights is not None:
                raise RequestError(
                    "SharedEnsemble trains with the plain cross-entropy; remove the objective and its class_weights."
                )
        with findings:
            if others := [type(method).__name__ for method in conditions.methods if method is not self]:
                raise RequestError(
                    f"SharedEnsemble cannot be combined with {others[0]}, which changes the fused network."
                )
        with findings:
            base_paths(network, without_deepest=self.without_deepest)
        findings.raise_if_any()

    def notes(self, conditions: Conditions) -> Sequence[str]:
        return (
            "The base networks are trained jointly; logged errors are those of the fused network (SharedEnsemble).",
        )

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        from cardinet.blocks.deeply_fused import DeeplyFusedNet

        assert isinstance(network, DeeplyFusedNet)
        return Members(network, base_paths(network, without_deepest=self.without_deepest))


def base_paths(network: nn.Module, *, without_deepest: bool = False) -> list[tuple[str, ...]]:
    """The paths of all base networks, the deepest last. Raises RequestError for a network without several of them."""
    from cardinet.networks.families.deeply_fused import DeeplyFused

    spec = getattr(network, "spec", None)
    choices = spec.choices if isinstance(spec, DeeplyFused) and not spec.path else ()
    if (count := math.prod(map(len, choices))) > MOST:
        raise RequestError(
            f"methods.SharedEnsemble: the network has {count:,} base networks; at most {MOST} can train."
        )
    paths = list(itertools.product(*choices))
    if len(paths) < 2:
        raise RequestError(
            "methods.SharedEnsemble: only a deeply-fused network of several lines has base networks; take "
            "fusenet_fuse3_26 or fusenet_fuse6_26 (`cardinet list fuse` shows all)."
        )
    return paths[:-1] if without_deepest else paths


class Members(Hooks):
    """Replaces the gradient of the fused network by that of the mean loss of its base networks.

    Their BN statistics have no influence on the training, so there is no state.
    """

    def __init__(self, network: DeeplyFusedNet, paths: Sequence[tuple[str, ...]]) -> None:
        self.network = network
        self.members = [network.base(path).train() for path in paths]

    def after_backward(self, again: Pass) -> None:
        """The gradient of each member in turn, so that only one of them needs memory."""
        self.network.zero_grad(set_to_none=True)
        for member in self.members:
            again(member, CrossEntropy())
        for parameter in self.network.parameters():
            if parameter.grad is not None:
                parameter.grad /= len(self.members)
