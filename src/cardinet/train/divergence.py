"""Whether a training diverges although every number is still finite, and whether it has learned nothing."""

from __future__ import annotations

from cardinet.base.amounts import amount
from cardinet.train.objectives import Objective

FAR = 20.0
"""A loss so many times that of a guess is beyond what a training recovers from."""
LEAST = 8
"""A window of fewer steps says nothing: the first steps of a good training may be as far off."""
ROWS = 256


def guess_loss(objective: Objective, classes: int) -> float:
    """The mean loss of a network that gives the same logits for every class."""
    import torch

    labels = torch.arange(min(classes, ROWS))
    return objective.loss(torch.zeros(len(labels), classes), labels).item()


def has_diverged(mean: float, last: float, guess: float, steps: int) -> bool:
    """Whether the losses of a window of so many steps are far above a guess and do not fall.

    `mean` is that of its steps, `last` that of its last one.
    """
    return steps >= LEAST and mean > FAR * guess and last > mean / 2


def divergence(mean: float, steps: int, guess: float) -> str:
    """What is wrong, for the message."""
    of, guessed = (
        f"the mean loss of the last {amount(steps, 'step')}",
        f"that of a network that only guesses is {guess:.3g}",
    )
    return f"{of} is {mean:.4g}, and {guessed}: the training diverges"
