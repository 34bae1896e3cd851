"""A network as a backbone: the feature maps of its taps, without the head.

torchvision's pyramid takes the classifier itself, because its direct children run one after another. It does not work
with an RoR network, whose child `root` reads two maps:

    children = {tap.child: str(i) for i, tap in enumerate(network.taps)}
    BackboneWithFPN(network, children, [tap.channels for tap in network.taps], out_channels=256)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Body, Classifier, Tap


@dataclass(frozen=True)
class FeatureInfo:
    """The chosen feature maps, in the order of the output. The names of the methods are timm's."""

    taps: tuple[Tap, ...]
    out_indices: tuple[int, ...]

    def channels(self) -> list[int]:
        """The channels of each map."""
        return [tap.channels for tap in self.taps]

    def reduction(self) -> list[int]:
        """The stride of each map in input pixels; see `Tap`."""
        return [tap.stride for tap in self.taps]

    def module_name(self) -> list[str]:
        """The name of the direct child that computes each map."""
        return [tap.child for tap in self.taps]


class FeatureNetwork(Body):
    """`forward` maps (N, C, H, W) to a list of the chosen feature maps of a classifier.

    `out_indices` are indices of the classifier's `taps`; negative ones count from the last, None chooses all. The
    children are the classifier's own, with their names, up to the last chosen map. So every parameter has a gradient,
    and a classifier's tensors can be loaded. Raises RequestError for an index that does not exist or is given twice,
    and for a network that has no taps.
    """

    def __init__(self, network: Classifier, out_indices: Sequence[int] | None = None) -> None:
        if not network.taps:
            raise RequestError(f"features_only: {network.no_backbone}")
        indices = chosen_indices(len(network.taps), out_indices)
        taps = tuple(network.taps[i] for i in indices)
        last = max(network.body_names.index(tap.child) for tap in taps)
        names = network.body_names[: last + 1]
        joins = {name: other for name, other in network.joins.items() if name in names}
        super().__init__({name: getattr(network, name) for name in names}, taps, joins)
        self.spec = network.spec
        self.feature_info = FeatureInfo(taps, indices)

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.maps(x, self.feature_info.module_name())


def chosen_indices(count: int, out_indices: Sequence[int] | None) -> tuple[int, ...]:
    """The chosen indices of `count` maps as numbers from 0. Raises RequestError as `FeatureNetwork` does."""
    if out_indices is None:
        return tuple(range(count))
    known = f"there are {count} maps; give indices from 0 to {count - 1}, or from -{count} to -1, each once."
    if isinstance(out_indices, str) or not isinstance(out_indices, Iterable):
        raise RequestError(f"out_indices = {out_indices!r}: {known}")
    wrong = [i for i in out_indices if not isinstance(i, int) or not -count <= i < count]
    if wrong or not out_indices:
        raise RequestError(f"out_indices = {wrong or 'none'}: {known}")
    indices = tuple(i % count for i in out_indices)
    if len({*indices}) < len(indices):
        raise RequestError(f"out_indices = {tuple(out_indices)}: an index is given twice; {known}")
    return indices
