"""Distillation: a trained model teaches the network. Hinton, Vinyals and Dean 2015 (arXiv 1503.02531); the hard kind is
that of Touvron et al. 2021 (DeiT, arXiv 2012.12877).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field

from cardinet.base.errors import Findings, RequestError
from cardinet.data.labelling import ONE, Name
from cardinet.train.methods import Conditions, Hooks, Method
from cardinet.train.optimizers import Positive

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from cardinet.blocks.classifier import Classifier
    from cardinet.measure.memory import Memory
    from cardinet.train.teacher import Teacher

    Distance = Callable[[Tensor, Tensor, float | None], Tensor]


USUAL = 4.0
"""The temperature of many recipes; Hinton et al. try 1 to 20."""


class Distillation(Method):
    """loss <- (1 - weight) * loss + weight * T^2 * KL(softmax(teacher / T) || softmax(logits / T)), the mean over a
    batch.

    Where a picture may have several labels, each class is a question of its own: KL is that of the sigmoids of each
    class, and its mean over the classes.

    The teacher sees the same pixels, augmented and mixed, in their size. Its mean and deviation may be others, and its
    classes may be in another order.
    """

    teacher: Annotated[str, Field(min_length=1)]
    """The model that teaches: a model file, a run folder or hub:REPO."""

    weight: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of the teacher in the loss; 1: the labels do not count."""

    temperature: Positive | None = None
    """The temperature T of both softmaxes; none: 4."""

    hard: bool = False
    """Whether the teacher's answer is a second label, without a temperature (hard distillation): its part of the loss
    is then the cross-entropy of that label.
    """

    fingerprint: str | None = None
    """The sha256 of the teacher's file; none: that of the present file, which the run records."""

    def check(self, network: Classifier, conditions: Conditions) -> None:
        from cardinet.train.teacher import Taught, check_teacher

        labelling = conditions.source.labelling
        taught = Taught(conditions.source.classes, conditions.sides.all, network.spec.in_channels, labelling)
        findings = Findings()
        with findings:
            if self.hard and self.temperature is not None:
                raise RequestError(
                    f"Distillation.temperature = {self.temperature:g}: hard distillation has no temperature; remove "
                    "one of the two."
                )
        with findings:
            if self.hard and labelling is not ONE:
                raise RequestError(
                    "Distillation.hard takes the one answer of the teacher, and a picture may have several labels; "
                    "remove it."
                )
        with findings:
            self.check_again()
            check_teacher(self.teacher, taught)
        findings.raise_if_any()

    def check_again(self) -> None:
        from cardinet.train.teacher import require_same, teacher_path

        if self.fingerprint is None:
            teacher_path(self.teacher)
        else:
            require_same(self.teacher, self.fingerprint)

    def fitted(self) -> Self:
        from cardinet.train.teacher import fingerprint, kept_text, teacher_path

        found = fingerprint(teacher_path(self.teacher))
        return self.model_copy(update={"teacher": kept_text(self.teacher), "fingerprint": found})

    def memory(self, network: Classifier, side: int, pictures: int) -> Memory:
        from cardinet.train.teacher import teacher_memory

        return teacher_memory(self.teacher, side, pictures)

    def notes(self, conditions: Conditions) -> Sequence[str]:
        from cardinet.train.teacher import teacher_side

        way = "its answers are labels" if self.hard else f"at temperature {self.softness:g}"
        said = [
            f"{self.teacher} teaches: it makes {100 * self.weight:g} % of the training loss, {way} (Distillation); the "
            "loss of an evaluation is that of the labels alone."
        ]
        if (own := teacher_side(self.teacher)) != conditions.side:
            said.append(
                f"The teacher was made for pictures of {own} pixels and sees those of this run, of {conditions.side}."
            )
        return said

    @property
    def softness(self) -> float | None:
        """The temperature in use; None for hard distillation."""
        return None if self.hard else self.temperature or USUAL

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        from cardinet.train.teacher import Teacher

        assert conditions.preprocessing is not None
        device = str(next(network.parameters()).device)
        teacher = Teacher(self.teacher, conditions.source.classes, conditions.preprocessing, device)
        return Teaching(self, teacher, DISTANCES[conditions.source.labelling.NAME])


class Teaching(Hooks):
    """Adds the teacher's part to the loss. The teacher does not change, so there is no state."""

    def __init__(self, method: Distillation, teacher: Teacher, distance: Distance) -> None:
        self.weight, self.temperature, self.teacher = method.weight, method.softness, teacher
        self.distance = distance

    def loss(self, value: Tensor, logits: Tensor, pixels: Tensor, labels: Tensor) -> Tensor:
        answers = self.teacher.logits(pixels).to(logits.dtype)
        return (1 - self.weight) * value + self.weight * self.distance(logits, answers, self.temperature)


def distance(logits: Tensor, teacher: Tensor, temperature: float | None) -> Tensor:
    """T^2 * KL(softmax(teacher / T) || softmax(logits / T)), or the cross-entropy of the teacher's answers if there is
    no temperature; both (B, classes). The mean over the batch.
    """
    from torch.nn import functional as F

    if temperature is None:
        return F.cross_entropy(logits, teacher.argmax(1))
    own, its = (F.log_softmax(values / temperature, 1) for values in (logits, teacher))
    return F.kl_div(own, its, reduction="batchmean", log_target=True) * temperature**2


def label_distance(logits: Tensor, teacher: Tensor, temperature: float | None) -> Tensor:
    """T^2 * KL(sigmoid(teacher / T) || sigmoid(logits / T)) of each class, both (B, classes): the mean over all."""
    from torch.nn import functional as F

    assert temperature is not None  # hard distillation is refused
    own, its = logits / temperature, teacher / temperature
    answers = its.sigmoid()
    cross, entropy = (F.binary_cross_entropy_with_logits(values, answers) for values in (own, its))
    return (cross - entropy) * temperature**2


DISTANCES: Mapping[Name, Distance] = {"one": distance, "several": label_distance}
"""The distance of the answers to those of the teacher, by the number of labels of a picture."""
