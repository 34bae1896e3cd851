"""Linear CKA between the terms of a sum: Kornblith et al. 2019, Section 3 (arXiv 1905.00414).

The observations are the positions of the maps of all pictures, the features the channels. For centred terms X and Y it
is |X'Y|^2 / ( |X'X| |Y'Y| ) with Frobenius norms: 1 for terms that are equal up to a rotation and a factor, 0 for
uncorrelated ones.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cardinet.explain.transforms import Transforms

AT_ONCE = 16
"""The pictures whose outputs are held in float64 at once."""
CONSTANT = 1e-12
"""A term whose variance is at most this share of its mean square is constant up to rounding."""


class TermSimilarity:
    """Collects the outputs of the transforms of a unit, as their listener, in float64.

    The term of a transform is its output after its part of the convolution that reads it. The terms are never
    computed: their products follow from the second moments of the outputs and from the weights.
    """

    def __init__(self, transforms: Transforms) -> None:
        self.transforms = transforms
        self.count = 0
        self.total: Tensor | None = None
        self.products: Tensor | None = None

    def __call__(self, outputs: Tensor) -> None:
        for few in outputs.detach().split(AT_ONCE):
            rows = self._rows(few.double())
            total, products = rows.sum(0), rows.T @ rows
            self.count += len(rows)
            self.total = total if self.total is None else self.total + total
            self.products = products if self.products is None else self.products + products

    def cka(self) -> Tensor:
        """The similarity of each pair of transforms, float64 (count, count); NaN where a term is constant."""
        assert self.total is not None
        assert self.products is not None
        centred = self.products - torch.outer(self.total, self.total) / self.count
        n = self.transforms.count
        blocks = centred.view(n, len(centred) // n, n, len(centred) // n).transpose(1, 2)
        weights = self._weights()
        if weights is None:
            products = (blocks * blocks).sum((2, 3))
        else:
            inner = weights.transpose(1, 2) @ weights
            products = ((inner[:, None] @ blocks @ inner[None]) * blocks).sum((2, 3))
        spread = centred.diagonal().view(n, -1).sum(1) > CONSTANT * self.products.diagonal().view(n, -1).sum(1)
        sizes = products.diagonal().clamp(min=0).sqrt().where(spread, torch.nan)
        return products / torch.outer(sizes, sizes)

    def _rows(self, outputs: Tensor) -> Tensor:
        """What the reader sees at each of its positions: (positions, count * features of a transform)."""
        if self.transforms.readers:
            conv = self.transforms.readers[0]
            kernel, padding = conv.kernel_size, conv.padding
            assert isinstance(padding, tuple)
            outputs = F.unfold(outputs, kernel, conv.dilation, padding, conv.stride)
        else:
            outputs = outputs.flatten(2)
        return outputs.transpose(1, 2).flatten(0, 1)

    def _weights(self) -> Tensor | None:
        """The part of the reader's weights that reads each transform: (count, w_out, features)."""
        readers = self.transforms.readers
        if not readers:
            return None
        weight = torch.cat([conv.weight for conv in readers], 1).detach().double()
        groups = self.transforms.count // self.transforms.repeats
        parts = weight.reshape(len(weight), groups, -1).transpose(0, 1)
        return parts.repeat(self.transforms.repeats, 1, 1)


def off_diagonal_means(similarity: Tensor) -> Tensor:
    """The mean similarity of each transform to the others, over those that are defined: (count,)."""
    others = ~torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
    return similarity.where(others, torch.nan).nanmean(1)
