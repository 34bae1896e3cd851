"""Auxiliary heads: further classifiers on earlier maps, whose losses help training. No trained network has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AuxiliaryHead:
    """Average pool, convolutions with ReLU, a hidden layer with ReLU or a global pool, dropout, classifier.

    `pool` is the kernel and the stride of the average pool. `convolutions` are kernels and widths; they have no
    padding, and BN if the network has any. `hidden` are the units of the hidden layer; None: there is the global pool
    instead. `weight` is the weight of the loss. `stds` are the deviations of the first weights of the last convolution
    and of the classifier; None: the rule of the network.
    """

    weight: float
    convolutions: tuple[tuple[int, int], ...]
    pool: tuple[int, int] = (5, 3)
    hidden: int | None = None
    dropout: float = 0.0
    stds: tuple[float, float] | None = None


GOOGLENET = AuxiliaryHead(weight=0.3, convolutions=((1, 128),), hidden=1024, dropout=0.7)
"""Szegedy et al. 2014, Section 5 (arXiv 1409.4842)."""

INCEPTION = AuxiliaryHead(weight=0.4, convolutions=((1, 128), (5, 768)), stds=(0.01, 0.001))
"""Szegedy et al. 2015, Section 4 and Figure 8 (arXiv 1512.00567); widths, weight and deviations of the code, slim."""

HEADS = {"googlenet": GOOGLENET, "inception": INCEPTION}
"""The heads by name."""
