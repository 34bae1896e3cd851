"""Predict the classes of pictures, in batches."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from cardinet.base.errors import Findings, RequestError, WorkError, nearest
from cardinet.base.whole_numbers import require_whole
from cardinet.blocks.training_mode import eval_mode
from cardinet.data.data_settings import DataSettings
from cardinet.data.decode import PictureError
from cardinet.data.labelling import ONE, Labelling
from cardinet.data.picture_inputs import PictureInput, is_single, picture_inputs
from cardinet.data.preprocessing import Preprocessing
from cardinet.runs import notebook_html
from cardinet.runs.memory_checks import require_batch

if TYPE_CHECKING:
    from cardinet.data.picture_inputs import Pictures

OnBad = Literal["fail", "skip"]
BATCH_SIZE = 128
AHEAD = 2
"""The number of batches that are decoded in advance."""


class Given(Protocol):
    """Pictures in order, and how many they are."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[PictureInput]: ...


class Predictor(Protocol):
    """What a prediction needs of a model: the network, the preprocessing, the names of the classes, and the number of
    labels of a picture with their thresholds.
    """

    @property
    def network(self) -> nn.Module: ...
    @property
    def preprocessing(self) -> Preprocessing: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def labelling(self) -> Labelling: ...
    @property
    def thresholds(self) -> tuple[float, ...]: ...


@dataclass(frozen=True)
class Prediction:
    """The classes of one picture, most probable first, with their probabilities.

    `path` is the picture's path as it was given, or its position ("picture 3") if it was not a file. Where a picture
    may have several labels, `labels` are those whose probability is at least their threshold, the most probable first;
    else it is None.
    """

    path: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    picture: PictureInput | None = field(default=None, repr=False, compare=False)
    labels: tuple[str, ...] | None = None

    def to_document(self) -> dict[str, Any]:
        """The prediction as plain data."""
        top = [{"class": c, "probability": p} for c, p in zip(self.classes, self.probabilities, strict=True)]
        if self.labels is not None:
            return {"path": self.path, "labels": list(self.labels), "top": top}
        return {"path": self.path, "class": self.classes[0], "probability": self.probabilities[0], "top": top}

    def _repr_html_(self) -> str:
        return notebook_html.prediction_html(self.classes, self.probabilities, self.picture, self.given)

    @property
    def given(self) -> tuple[str, ...]:
        """The answer: its labels, or the most probable class."""
        return self.classes[:1] if self.labels is None else self.labels


@dataclass(frozen=True)
class Unusable:
    """A picture that cannot be used, and the reason as one sentence."""

    path: str
    reason: str


class Predictions(list[Prediction]):
    """The predictions of several pictures, in order; `unusable` are the omitted pictures."""

    def __init__(self, found: Sequence[Prediction] = (), unusable: Sequence[Unusable] = ()) -> None:
        super().__init__(found)
        self.unusable = tuple(unusable)

    def _repr_html_(self) -> str:
        return notebook_html.predictions_html([(p.path, p.classes, p.probabilities, p.picture, p.given) for p in self])


def predict(
    model: Predictor, pictures: Pictures, top: int, batch_size: int, on_bad_image: OnBad
) -> Prediction | Predictions:
    """As `Model.predict` says."""
    findings, handed = Findings(), list[PictureInput]()
    with findings:
        require_whole(1, top=top, batch_size=batch_size)
    with findings:
        if on_bad_image not in get_args(OnBad):
            choice = nearest(str(on_bad_image), get_args(OnBad))
            raise RequestError(f"on_bad_image = {on_bad_image!r} is unknown ({choice}).")
    with findings:
        handed = picture_inputs(pictures)
    findings.raise_if_any()
    found: list[Prediction] = []
    unusable: list[Unusable] = []
    for answer in predictions(model, handed, top, batch_size=batch_size):
        if isinstance(answer, Unusable):
            unusable.append(answer)
        else:
            found.append(answer)
    if unusable and (on_bad_image == "fail" or is_single(pictures)):
        raise WorkError(*(picture.reason for picture in unusable))
    return found[0] if is_single(pictures) else Predictions(found, unusable)


def predictions(
    model: Predictor,
    pictures: Given,
    top: int,
    *,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    pixel_limit: int | None = None,
) -> Iterator[Prediction | Unusable]:
    """The prediction for each picture, in order.

    `workers` threads decode (None: one for each core, at most 8) while the network computes a batch. A batch passes the
    same steps as in an evaluation, so the same pictures in the same order get the same predictions. The network is in
    eval mode until the last prediction; then its mode is restored.
    """
    network, preprocessing = model.network, model.preprocessing
    limit = DataSettings().pixel_limit if pixel_limit is None else pixel_limit

    def decoded(picture: PictureInput) -> Tensor | Unusable:
        try:
            return preprocessing.picture(picture.image(limit))
        except PictureError as error:
            return Unusable(picture.name, f"{picture.name} cannot be used: {error.detail}.")

    require_batch(network, preprocessing, min(batch_size, len(pictures)), "A prediction")
    first = next(network.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    with eval_mode(network):
        for chunk, items in _ahead(pictures, decoded, batch_size, workers):
            pixels = [item for item in items if isinstance(item, Tensor)]
            answers: list[_Answer] = []
            if pixels:
                batch = as_input(network, preprocessing.normalise(torch.stack(pixels).to(device)))
                answers = _answers(model, log_probabilities(network, batch, len(model.classes), model.labelling), top)
                answers.reverse()
            for picture, item in zip(chunk, items, strict=True):
                if isinstance(item, Unusable):
                    yield item
                    continue
                classes, probabilities, labels = answers.pop()
                yield Prediction(picture.name, classes, probabilities, picture, labels)


_Answer = tuple[tuple[str, ...], tuple[float, ...], tuple[str, ...] | None]


def _answers(model: Predictor, logs: Tensor, top: int) -> list[_Answer]:
    """The `top` classes of each picture, their probabilities, and its labels, if it may have several."""
    order, chances = top_classes(logs, logs.shape[1] if model.thresholds else top)
    thresholds = torch.tensor(model.thresholds, dtype=torch.float64)[order] if model.thresholds else None
    found: list[_Answer] = []
    for i, (places, probabilities) in enumerate(zip(order.tolist(), chances.tolist(), strict=True)):
        names = tuple(model.classes[k] for k in places)
        given = None if thresholds is None else (chances[i] >= thresholds[i]).tolist()
        labels = None if given is None else tuple(name for name, has in zip(names, given, strict=True) if has)
        found.append((names[:top], tuple(probabilities[:top]), labels))
    return found


def as_input(network: nn.Module, pixels: Tensor) -> Tensor:
    """Normalised pixels in the precision of a network's parameters, which may be float16 after `network.half()`."""
    first = next((parameter for parameter in network.parameters() if parameter.is_floating_point()), None)
    return pixels if first is None else pixels.to(first.dtype)


@torch.inference_mode()
def log_probabilities(network: nn.Module, pixels: Tensor, classes: int, labelling: Labelling = ONE) -> Tensor:
    """Log probabilities of normalised pixels: float64 (pictures, classes). Outputs beyond the classes are dropped."""
    return labelling.log_probabilities(network(pixels)[:, :classes])


def log_softmax(logits: Tensor, classes: int) -> Tensor:
    """Log probabilities of logits (N, K): float64 (N, classes). Outputs beyond the classes are dropped."""
    return logits[:, :classes].double().log_softmax(1)


def top_classes(logs: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """The `top` most probable classes of each picture, int64 (N, top), and their probabilities.

    Equally probable classes keep their order.
    """
    values, order = logs.sort(stable=True, dim=1, descending=True)
    return order[:, :top].cpu(), values[:, :top].exp().cpu()


def _ahead(
    pictures: Given, decoded: Any, batch_size: int, workers: int | None
) -> Iterator[tuple[Sequence[PictureInput], list[Tensor | Unusable]]]:
    """Batches of pictures with their pixels, in order. The next batches are decoded in the meantime."""
    threads = min(8, os.cpu_count() or 1) if workers is None else max(1, workers)
    pending: deque[tuple[Sequence[PictureInput], list[Future[Tensor | Unusable]]]] = deque()
    pool, given = ThreadPoolExecutor(min(threads, max(1, len(pictures)))), iter(pictures)
    try:
        while chunk := list(islice(given, batch_size)):
            pending.append((chunk, [pool.submit(decoded, picture) for picture in chunk]))
            if len(pending) >= AHEAD:
                yield _awaited(*pending.popleft())
        for batch in pending:
            yield _awaited(*batch)
    finally:
        pool.shutdown(cancel_futures=True)


def _awaited(
    chunk: Sequence[PictureInput], futures: Sequence[Future[Tensor | Unusable]]
) -> tuple[Sequence[PictureInput], list[Tensor | Unusable]]:
    return chunk, [future.result() for future in futures]
