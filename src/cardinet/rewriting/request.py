"""The request of rewrites, which is checked completely before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.output_paths import check_model_name, check_new_file
from cardinet.base.settings import parse_assignments
from cardinet.data.kinds import list_source
from cardinet.data.source import settings_for
from cardinet.evaluate.opening import AskedModel, AskedPictures, Opened, OpenedSoFar, opened
from cardinet.rewrite.steps import Step, try_steps
from cardinet.rewriting.kinds import KINDS, SEED
from cardinet.rewriting.kinds.kind import Kind
from cardinet.rewriting.real_pictures import PROOF, TYPICAL, RealPictures, real_pictures
from cardinet.runs.memory_checks import require_proof
from cardinet.runs.model_file import Model
from cardinet.train.recipe import check_alone, overrides


@dataclass(frozen=True)
class Training:
    """How a pruning trains: the share of the MACs that stays, how many epochs, and settings of its recipe.

    `words` are settings as a user writes them ("lr=0.1"). The recipe gives all other values.
    """

    keep_macs: float | None = None
    epochs: float | None = None
    words: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Training()


@dataclass(frozen=True, kw_only=True)
class Request:
    """Rewrites of the classifier in a run folder or model file, to the new model file `out`.

    `rewrites` has the value of each given option, by its name in `KINDS`: `{"deepen": "3,4,6,3"}`. `data` names real
    pictures; a run knows its own. `prune` prunes the model instead, in a training run.
    """

    model: str
    out: Path
    rewrites: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    data: str | None = None
    prune: bool = False
    training: Training = Training()

    def check(self) -> None:
        """Raise RequestError with all faults of the request itself, without a model or pictures."""
        findings = Findings()
        with findings:
            check_new_file(self.out)
            check_model_name(self.out)
        with findings:
            read(self.rewrites, findings)
        with findings:
            if self.seed is not None:
                SEED.check(self.seed)
        with findings:
            self._check_together()
        findings.raise_if_any()

    def _check_together(self) -> None:
        """Raise RequestError if options cannot be combined; a pruning is a separate run."""
        if not self.rewrites and not self.prune:
            raise RequestError("Give at least one rewrite, such as --fold; `cardinet rewrite --help` lists them.")
        if self.prune and self.rewrites:
            raise RequestError("--prune is a separate run; rewrite the pruned model in a second command.")
        if not self.prune and self.training:
            raise RequestError("--keep-macs, --epochs and --set need --prune; omit them.")
        kinds = [KINDS[name] for name in self.rewrites if name in KINDS]
        if not self.prune and self.seed is not None and not any(kind.draws for kind in kinds):
            raise RequestError("--seed: these rewrites draw nothing; omit it.")


@dataclass(frozen=True)
class Asked:
    """One requested rewrite, with its parsed value."""

    kind: Kind
    value: Any


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model, the requested rewrites, their steps in order, and the real pictures for their proof."""

    opened: Opened
    asked: tuple[Asked, ...]
    steps: tuple[Step, ...]
    pictures: RealPictures

    @property
    def model(self) -> Model:
        return self.opened.model

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user, before the work."""
        said = [*self.opened.of_model]
        if drops(self.asked, self.model):
            said.append("The temperature is removed: it was fitted to the old classes and pictures.")
        return (*said, *([self.pictures.note] if self.pictures.note else []))


def read(rewrites: Mapping[str, Any], findings: Findings) -> tuple[Asked, ...]:
    """The rewrites in the order in which they are applied. Faults are added to the findings."""
    for name in rewrites:
        with findings:
            if name not in KINDS:
                raise RequestError(f'There is no rewrite "{name}" ({nearest(name, KINDS)}).')
    found = []
    for kind in (kind for name, kind in KINDS.items() if name in rewrites):
        with findings:
            found.append(Asked(kind, kind.read(rewrites[kind.name])))
            kind.check_beside(rewrites)
    return tuple(found)


def steps_of(asked: Sequence[Asked], model: Model, seed: int | None = None) -> tuple[Step, ...]:
    """The steps of a model, in order. A temperature is removed before its classes or pictures change."""
    drawn = {"seed": seed or 0}
    removed = [Step("temperature", {"temperature": 1.0, "was": model.temperature})] if drops(asked, model) else []
    steps = [
        Step(one.kind.name, {**one.kind.arguments(one.value, model), **(drawn if one.kind.draws else {})})
        for one in asked
    ]
    return (*removed, *steps)


def drops(asked: Sequence[Asked], model: Model) -> bool:
    """Whether the rewrites end what the temperature of a model was fitted to."""
    return model.temperature != 1.0 and any(one.kind.relearns for one in asked)


def resolve(request: Request) -> Prepared:
    """Open the model and everything that its rewrites need. Raises RequestError or WorkError with all faults.

    With `prune` there are no steps; `pruning` resolves the run.
    """
    asked = read(request.rewrites, Findings())
    unfound = [one.kind.pictures for one in asked if one.kind.pictures]
    wanted = AskedPictures(
        data=request.data,
        settings={"on_bad_image": "skip"},  # a proof needs some pictures, not all
        also=("train",) if unfound else (),
        any_classes=True,
        optional=True,
    )

    def check_pictures(parts: OpenedSoFar) -> None:
        if request.prune and parts.model is None:
            _check_training(request)
        if parts.looked and parts.pictures is None and unfound:
            raise RequestError(*unfound)

    found = opened(
        AskedModel(model=request.model),
        None if request.prune else wanted,
        check=request.check,
        check_model=lambda model: _check_steps(asked, model, request.seed),
        check_all=check_pictures,
    )
    steps = steps_of(asked, found.model, request.seed)
    real = RealPictures(found.model.preprocessing) if request.prune else real_pictures(found, request.data)
    return Prepared(found, asked, steps, real)


def _check_training(request: Request) -> None:
    """Raise RequestError with what is wrong in the training of a pruning, as far as it is known without a model."""
    findings, delta = Findings(), dict[str, Any]()
    with findings:
        delta, errors = overrides(parse_assignments(list(request.training.words)).items())
        findings.errors += errors
        check_alone(delta)
    with findings:
        if request.data is not None:
            list_source(request.data, settings_for(request.data, delta.get("data", {}), "data."))
    findings.raise_if_any()


def _check_steps(asked: Sequence[Asked], model: Model, seed: int | None) -> None:
    """Raise RequestError with all reasons why the rewrites do not fit a model, or if memory for the proof is short."""
    found = Findings()
    for one in asked:
        with found:
            one.kind.check(one.value, model)
    with found:
        forms = try_steps(model.network, steps_of(asked, model, seed))
        require_proof(forms, model.preprocessing.crop, TYPICAL if any(one.kind.pictures for one in asked) else PROOF)
    found.raise_if_any()
