"""How much values differ between classes: the means of each class, and one-way analysis of variance."""

from __future__ import annotations

import torch
from torch import Tensor


class ClassSpread:
    """Sums over pictures of F values each, by class. Add all batches, then read.

    The sums are those of differences from the first batch, in float64, so that nearly constant values keep their
    variance.
    """

    def __init__(self, classes: int) -> None:
        self.counts = torch.zeros(classes, dtype=torch.float64)
        self.sums = torch.zeros(0)
        self.squares = torch.zeros(0)
        self.origin = torch.zeros(0)

    def add(self, values: Tensor, labels: Tensor) -> None:
        """Add the values (B, F) of pictures with classes (B,)."""
        values, labels = values.detach().double().cpu(), labels.cpu()
        if not len(self.origin):
            self.origin = values.mean(0)
            self.sums = torch.zeros(len(self.counts), values.shape[1], dtype=torch.float64)
            self.squares = torch.zeros(values.shape[1], dtype=torch.float64)
        values = values - self.origin
        self.counts += torch.bincount(labels, minlength=len(self.counts))
        self.sums.index_add_(0, labels, values)
        self.squares += (values * values).sum(0)

    @property
    def means(self) -> Tensor:
        """The mean of each class, (classes, F); NaN for a class without pictures."""
        return self.origin + self.sums / self.counts[:, None]

    @property
    def mean(self) -> Tensor:
        """The mean over all pictures, (F,)."""
        return self.origin + self.sums.sum(0) / self.counts.sum()

    @property
    def between(self) -> Tensor:
        """The sum of squares between the classes for each value, (F,)."""
        seen = self.counts > 0
        grand = self.sums.sum(0) / self.counts.sum()
        of_means = self.sums[seen] / self.counts[seen, None] - grand
        return (self.counts[seen, None] * of_means * of_means).sum(0)

    @property
    def within(self) -> Tensor:
        """The sum of squares within the classes for each value, (F,)."""
        grand = self.sums.sum(0) / self.counts.sum()
        total = self.squares - self.counts.sum() * grand * grand
        return (total - self.between).clamp_min(0)

    @property
    def ratios(self) -> Tensor:
        """The F ratio of each value, (F,): about 1 if classes make no difference; NaN if the value never changes."""
        return self.between / self.within * self._freedom

    @property
    def ratio(self) -> float:
        """The F ratio of all values together: the sums of squares are added over the values first."""
        return float(self.between.sum() / self.within.sum() * self._freedom)

    @property
    def explained(self) -> float:
        """The share of the variation of all values that the class explains, from 0 to 1; NaN without variation."""
        between = self.between.sum()
        return float(between / (between + self.within.sum()))

    @property
    def _freedom(self) -> float:
        """The degrees of freedom within the classes, divided by those between them; NaN if there are none."""
        seen, pictures = int((self.counts > 0).sum()), int(self.counts.sum())
        return (pictures - seen) / (seen - 1) if pictures > seen > 1 else torch.nan
