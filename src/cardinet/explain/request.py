"""The request of an explanation, which is checked completely before any work."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cardinet.base.errors import Findings, RequestError, WorkError, nearest
from cardinet.base.output_paths import check_new_page
from cardinet.base.settings import parse_assignments, validate
from cardinet.base.whole_numbers import SEED, WORKERS, require_whole
from cardinet.blocks.classifier import Classifier
from cardinet.data.check import Progress
from cardinet.data.data_settings import DataSettings
from cardinet.data.loose_pictures import are_loose
from cardinet.data.source import Source
from cardinet.evaluate.opening import AskedModel, AskedPictures, Make, model_path, opened, run_of
from cardinet.explain.array_file import check_array_file
from cardinet.explain.fresh import fresh
from cardinet.explain.question import Question, Subject
from cardinet.explain.questions import find_question, meaningful
from cardinet.networks.registry import is_known_name, named_network
from cardinet.runs.model_file import Model
from cardinet.runs.prediction import BATCH_SIZE
from cardinet.train.pretrained import prepared

OF_NETWORK = "network."
NO_PICTURES = "Name the pictures to look at (SOURCE); only a run folder knows its own."


@dataclass(frozen=True, kw_only=True)
class Request:
    """A question about a model, on the pictures of `data` or on a run's own.

    Several texts in `data` are pictures without classes (`loose_pictures`). `model` is also the name of a network,
    which gets new weights, or `weights` (a file, or the name of a library's). `words` are settings of the question, of
    the pictures and, beside `weights`, of the network ("draws=20", "data.limit=100", "network.order=e"). `out` is the
    path of the page, `arrays` that of the arrays of the answer (`array_file`).
    """

    question: str
    model: Model | str | os.PathLike[str]
    data: Source | str | Sequence[str] | None = None
    words: Sequence[str] = ()
    split: str | None = None
    weights: str | None = None
    out: Path | None = None
    arrays: Path | None = None
    seed: int = 0
    batch_size: int = BATCH_SIZE
    workers: int = 0
    device: str = "cpu"
    compare: bool = True

    def check(self) -> None:
        """Raise RequestError with all faults of the request itself, without a model or pictures."""
        findings = Findings()
        with findings:
            require_whole(1, batch_size=self.batch_size)
        with findings:
            require_whole(0, WORKERS, workers=self.workers)
        with findings:
            require_whole(0, SEED, seed=self.seed)
        with findings:
            if self.out is not None:
                check_new_page(self.out)
        findings.raise_if_any()

    @property
    def options(self) -> list[str]:
        """The options that belong to the answer, as words of a command."""
        given = {"--weights": self.weights, "--split": self.split, "--seed": self.seed or None}
        options = [str(word) for pair in given.items() if pair[1] is not None for word in pair]
        return [*options, *(part for word in self.words for part in ("--set", word))]


@dataclass(frozen=True, eq=False)
class Asked:
    """A question with its settings, and what it is asked about."""

    request: Request
    question: Question
    subject: Subject


def resolve(request: Request, progress: Progress | None = None) -> Asked:
    """Open the model and the pictures of a question.

    Raises RequestError or WorkError with all faults: those of the request, and the reason why a question has no meaning
    for the network, with the questions that have one.
    """
    kind = find_question(request.question)  # nothing else can be said without it
    findings, question = Findings(), kind()
    prepare, own, of_pictures = _prepared(request, kind)
    with findings:
        question = _settings(request.question, kind, own)

    def check() -> None:
        with findings:
            request.check()
        with findings:
            if request.arrays is not None:
                check_array_file(request.arrays, request.question, kind.ARRAYS)
        with findings:
            question.check()
        findings.raise_if_any()

    asked = AskedModel(model=request.model, device=request.device, compare=request.compare, prepare=prepare)
    found = opened(
        asked,
        _wanted(request, question, of_pictures),
        check=check,
        check_model=lambda model: _check_meaning(request.question, question, model),
        progress=progress,
    )
    subject = Subject(
        opened=found,
        name=_name(request.model),
        run=run_of(request.model),
        trained=request.weights is not None or not _is_name(request.model),
        seed=request.seed,
        batch_size=request.batch_size,
        workers=request.workers,
    )
    return Asked(request, question, subject)


def _prepared(
    request: Request, kind: type[Question]
) -> tuple[Callable[[str], Make] | None, list[str], tuple[str, ...]]:
    """How a named network gets its weights, the words about the question, and those about the pictures."""
    if request.weights is not None:
        of_network = [word.removeprefix(OF_NETWORK) for word in request.words if word.startswith(OF_NETWORK)]
        others = [word for word in request.words if not word.startswith(OF_NETWORK)]
        model, compare = str(request.model), request.compare
        prepare = partial(prepared, network=model, weights=request.weights, words=tuple(of_network), compare=compare)
        return prepare, *_divided(kind, others)
    own, of_pictures = _divided(kind, request.words)
    if not _is_name(request.model):
        return None, own, of_pictures
    if kind.TRAINED:
        return partial(_refuse, network=str(request.model), question=request.question), own, of_pictures
    return partial(fresh, network=str(request.model), seed=request.seed), own, of_pictures


def _name(model: Model | str | os.PathLike[str]) -> str:
    """A model as the user named it; one that has no place has the name of its network, if that has one."""
    if not isinstance(model, Model):
        return str(model)
    row = named_network(model.spec)
    return type(model.spec).__name__ if row is None else row.id


def _refuse(device: str, *, question: str, network: str) -> Make:
    """Raise RequestError: the question needs trained parameters, and a name has none."""
    raise RequestError(
        f'"{network}" is the name of a network, without parameters, and "{question}" asks about trained ones; give a '
        "run folder, a model file, or --weights."
    )


def _is_name(model: object) -> bool:
    return isinstance(model, str) and model_path(model) is None and is_known_name(model)


def _divided(kind: type[Question], words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The words about the question, and those about the pictures. A short name that both have is the question's."""
    own: list[str] = []
    of_pictures: list[str] = []
    for word in words:
        key = word.partition("=")[0].strip()
        about_pictures = key.startswith("data.") or (key in DataSettings.model_fields and key not in kind.model_fields)
        (of_pictures if about_pictures else own).append(word)
    return own, tuple(of_pictures)


def _settings(name: str, kind: type[Question], words: list[str]) -> Question:
    """The question with its settings. Raises RequestError with all faults."""
    document, fields, findings = parse_assignments(words), kind.model_fields, Findings()
    known = (*fields, *(key for key in DataSettings.model_fields if key != "source"))
    unknown = [key for key in document if key not in fields]
    with findings:
        if unknown:
            found = [f'The question "{name}" has no setting "{key}" ({nearest(key, known)}).' for key in unknown]
            raise RequestError(*found[:-1], f"{found[-1]} `cardinet explain {name}` lists its settings.")
    question = kind()
    with findings:
        question = validate(kind, {key: value for key, value in document.items() if key in fields})
    findings.raise_if_any()
    return question


def _wanted(request: Request, question: Question, words: tuple[str, ...]) -> AskedPictures | None:
    """The pictures to open; None if the question uses none."""
    if question.PICTURES == "none":
        if request.data is not None or words or request.split is not None:
            raise RequestError(f'"{request.question}" looks at no pictures; omit SOURCE and the settings of pictures.')
        return None
    data, loose = _data(request, question)
    return AskedPictures(
        data=data,
        loose=loose,
        words=words,
        split=request.split or question.SPLIT,
        also=question.also,
        missing=NO_PICTURES if question.PICTURES == "needed" else "",
        optional=question.PICTURES == "optional",
    )


def _data(request: Request, question: Question) -> tuple[Source | str | None, tuple[str, ...]]:
    """The source, or the pictures without classes. Raises RequestError if the question cannot use these."""
    if request.data is None or isinstance(request.data, Source):
        return request.data, ()
    texts = (request.data,) if isinstance(request.data, str) else tuple(request.data)
    if question.LOOSE and are_loose(texts):
        return None, texts
    if len(texts) > 1:
        raise RequestError(f'"{request.question}" looks at one SOURCE with classes, and {len(texts)} are given.')
    return next(iter(texts), None), ()


def _check_meaning(name: str, question: Question, model: Model) -> None:
    """Raise RequestError if the question has no meaning for the network, with the questions that have one.

    Raises WorkError if the model is damaged: every figure of it would be one of NaN, which no comparison is true of.
    """
    if not isinstance(model.network, Classifier):
        raise RequestError(f"{type(model.network).__name__} is not a network of Cardinet, so it cannot be explained.")
    found = question.problems(model.network)
    if model.labelling.NAME not in question.LABELLINGS:
        found = ["it asks about one label for each picture, and the model gives several.", *found]
    if found:
        others = ", ".join(meaningful(model.network, name, model.labelling.NAME)) or "none"
        raise RequestError(*(f"{name}: {problem}" for problem in found), f"Questions for this network: {others}.")
    damaged = [name for name, tensor in model.network.state_dict().items() if not tensor.isfinite().all()]
    if damaged:
        raise WorkError(f"{damaged[0]} has values that are not finite: the model is damaged. Train it again.")
