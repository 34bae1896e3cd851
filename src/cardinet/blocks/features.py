"""A network as a backbone: the feature maps of its taps, without the head.

torchvision's pyramid takes the classifier itself, as it runs its direct children one after another (but for the child
`root` of an RoR network, which reads two maps):

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
    """The chosen feature maps, in the order in which they are returned; timm's names."""

    taps: tuple[Tap, ...]
    out_indices: tuple[int, ...]

    def channels(self) -> list[int]:
        """The channels of each map."""
        return [tap.channels for tap in self.taps]

    def reduction(self) -> list[int]:
        """The stride of each map in input pixels; see `Tap`."""
        return [tap.stride for tap in self.taps]

    def module_name(self) -> list[str]:
        """The direct child whose output each map is."""
        return [tap.child for tap in self.taps]


class FeatureNetwork(Body):
    """`forward` maps (N, C, H, W) to a list of the chosen feature maps of a classifier.

    `out_indices` count the classifier's `taps`, negative ones from the last; None chooses all of them. The children
    are the classifier's own up to the last chosen map, under their names, and none after it: every parameter has a
    gradient, and the tensors of a classifier fit. Raises RequestError for an index that there is not, or one that is
    given twice, and for a network that is no backbone.
    """

    def __init__(self, network: Classifier, out_indices: Sequence[int] | None = None) -> None:
        if not network.taps:
            raise RequestError(f"features_only: {network.no_backbone}")
        indices = chosen(len(network.taps), out_indices)
        taps = tuple(network.taps[i] for i in indices)
        last = max(network.body_names.index(tap.child) for tap in taps)
        names = network.body_names[: last + 1]
        joins = {name: other for name, other in network.joins.items() if name in names}
        super().__init__({name: getattr(network, name) for name in names}, taps, joins)
        self.spec = network.spec
        self.feature_info = FeatureInfo(taps, indices)

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.maps(x, self.feature_info.module_name())


def chosen(count: int, out_indices: Sequence[int] | None) -> tuple[int, ...]:
    """The indices of the chosen ones of `count` maps, from 0 on."""
    if out_indices is None:
        return tuple(range(count))
    known = f"there are {count} maps; give some of 0 to {count - 1}, or of -{count} to -1 from the last, once each."
    if isinstance(out_indices, str) or not isinstance(out_indices, Iterable):
        raise RequestError(f"out_indices = {out_indices!r}: {known}")
    wrong = [i for i in out_indices if not isinstance(i, int) or not -count <= i < count]
    if wrong or not out_indices:
        raise RequestError(f"out_indices = {wrong or 'none'}: {known}")
    indices = tuple(i % count for i in out_indices)
    if len({*indices}) < len(indices):
        raise RequestError(f"out_indices = {tuple(out_indices)}: one stands twice; {known}")
    return indices
