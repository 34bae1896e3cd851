"""A recipe: every setting of a run, typed. Recipes are data (`recipes/*.toml`), each a base and a delta."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from cardinet.base.documents import DocumentError, parse_toml
from cardinet.base.errors import EVERY_SETTING, CardinetError, Findings, RequestError
from cardinet.base.recipe_parts import OneOf, SomeOf, Table, expanded
from cardinet.base.settings import KEY, Settings, find_setting, merge, put, setting_paths, validate
from cardinet.base.synonyms import setting_hint
from cardinet.base.whole_numbers import THREADS, WORKERS
from cardinet.data.data_settings import Augmentations, DataSettings
from cardinet.data.preprocessing import LARGEST_SIDE
from cardinet.networks.document import from_document
from cardinet.networks.part import PARTS
from cardinet.networks.registry import find
from cardinet.networks.spec import NetworkSpec
from cardinet.runs.old_keys import check_schedule, new_place, old_place, renamed, with_current_keys
from cardinet.train.clock import TrainingSettings
from cardinet.train.methods import Method
from cardinet.train.objectives import Objective
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.optimizers import Optimizer
from cardinet.train.optimizers.sgd import SGD
from cardinet.train.recipe_files import BOUNDS, recipe_text
from cardinet.train.schedules import Schedule
from cardinet.train.schedules.cosine import Cosine

if TYPE_CHECKING:
    from cardinet.rewrite.steps import Step

Positive = Annotated[float, Field(gt=0)]
Kind = Literal["tiny", "small", "photographs"]
KINDS: tuple[Kind, ...] = ("tiny", "small", "photographs")


OPTIMIZERS = Table(Optimizer, "cardinet.train.optimizers", "optimizer")
SCHEDULES = Table(Schedule, "cardinet.train.schedules", "schedule")
OBJECTIVES = Table(Objective, "cardinet.train.objectives", "objective")
METHODS = Table(Method, "cardinet.train.methods", "method")


class NetworkSettings(Settings):
    """The network and its first weights."""

    id: str = "auto"
    """The name of the network; `cardinet list` shows all; auto: the recipe names none."""

    init: Literal["torchvision", "paper"] = "torchvision"
    """The rule that draws the first weights: as torchvision draws them, or as the network's paper does."""

    delta: dict[str, Any] = {}
    """Changes to the description of the network; `network.KEY` sets one of them."""

    spec: dict[str, Any] | None = None
    """A whole description instead of the one that `id` names, in the form of a model file; none: the one of `id`."""

    rewrites: tuple[dict[str, Any], ...] = ()
    """The rewrites that made the network, in order, if its weights are those of a rewritten network."""

    def steps(self) -> tuple[Step, ...]:
        """The rewrites. Raises RequestError for an unknown one."""
        from cardinet.rewrite.steps import (
            steps_from_document,  # it imports torch, which a list of recipes does not need
        )

        return steps_from_document(self.rewrites)

    def described(self) -> Any:
        """The description before the delta. Raises RequestError for an unknown network or a wrong description."""
        if self.spec is None:
            return find(self.id).spec
        spec = from_document(self.spec)
        if not isinstance(spec, NetworkSpec):
            raise RequestError(f"network.spec describes a {type(spec).__name__}, which is not a whole network.")
        return spec


class PreprocessingSettings(Settings):
    """The input of the network; what is not given follows from the pictures."""

    size: int | None = Field(default=None, gt=0, le=LARGEST_SIDE)
    """The side of the network's input in pixels; none: it follows from the size of the pictures."""

    resize: int | None = Field(default=None, gt=0, le=LARGEST_SIDE)
    """The shorter side in pixels that a picture gets before the central crop of an evaluation; none: it follows from
    the input's side and from the pictures.
    """

    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    """The rule that resizes pictures."""

    antialias: bool = True
    """Whether a filter that grows with the reduction smooths a picture that becomes smaller."""

    mean: tuple[float, ...] | None = None
    """The mean of each channel, which is subtracted from pixels in [0, 1]; none: the pictures' own if they are
    small, else ImageNet's.
    """

    std: tuple[Positive, ...] | None = None
    """The standard deviation of each channel, which divides the pixels; none: the pictures' own if they are small, else
    ImageNet's.
    """


class MachineSettings(Settings):
    """What the bits of a run depend on beside the recipe."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The seed of the first weights, of the order of the pictures and of every other draw."""

    threads: Annotated[int, Field(ge=0, le=THREADS)] = 0
    """The number of threads of the processor; 0: the fastest in a short measurement."""

    precision: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    """The numbers in which the network computes; auto: bfloat16 if the device has it in hardware, else float32. float64
    is slow, and for comparisons.
    """

    kernels: Literal["auto", "torch", "own"] = "auto"
    """The kernels of training; auto: the faster ones in a short measurement where one process trains for long on the
    CPU, else torch's; own: BN does the sum and the ReLU after it too, in fewer passes over memory, by code that is
    compiled on first use and whose numbers differ from torch's by rounding; on a GPU it needs Triton, its speed is
    unmeasured, and grouped convolutions take own kernels where a measurement found them faster (none yet).
    """

    workers: Annotated[int, Field(ge=0, le=WORKERS)] = 2
    """The number of processes that decode pictures; 0: the process that trains decodes them."""

    device: str = "auto"
    """The device that trains: cpu, cuda or cuda:N; auto: a GPU if there is one."""


class Recipe(Settings):
    """Every setting of a run, in groups and in parts."""

    name: str = "custom"
    """The name of the recipe in messages and reports."""

    from_weights: bool = False
    """Whether the recipe is made for a network that is trained already, so that it asks for --weights."""

    fits: tuple[Kind, ...] = KINDS
    """The kinds of pictures for which the recipe is made."""

    network: NetworkSettings = NetworkSettings()
    data: DataSettings = DataSettings()
    preprocessing: PreprocessingSettings = PreprocessingSettings()
    augmentation: Augmentations = {}
    """The ways in which training pictures are varied."""

    optimizer: Annotated[Optimizer, OneOf(OPTIMIZERS, "SGD")] = SGD()
    """The rule by which parameters follow their gradients."""

    schedule: Annotated[Schedule, OneOf(SCHEDULES, "Cosine")] = Cosine()
    """The rule by which the learning rate moves during the run."""

    objective: Annotated[Objective, OneOf(OBJECTIVES, "CrossEntropy")] = CrossEntropy()
    """The loss that training minimises."""

    methods: Annotated[Mapping[str, Method], SomeOf(METHODS)] = {}
    """What a run does beside the plain steps."""

    training: TrainingSettings = TrainingSettings()
    machine: MachineSettings = MachineSettings()

    def but(self, group: str, **changes: Any) -> Recipe:
        """The recipe with some settings of one group changed."""
        return self.model_copy(update={group: getattr(self, group).model_copy(update=changes)})


def recipe_document(name: str, kind: str | None = None, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """A recipe merged into its bases, and with its `[for.KIND]` delta if the kind of pictures is known."""
    if name in seen:
        raise RequestError(f'The recipe "{name}" is its own base ({" -> ".join((*seen, name))}).')
    try:
        own = parse_toml(recipe_text(name), BOUNDS)
    except DocumentError as error:
        raise RequestError(f"The recipe {name} cannot be used: {error}.") from None
    base = own.pop("base", None)
    deltas = own.pop("for", {})
    findings = Findings()
    if not isinstance(deltas, dict) or not all(isinstance(delta, dict) for delta in deltas.values()):
        text = f'In recipe {name} "for" is not a table; write [for.tiny] and the settings below it.'
        findings.errors.append(RequestError(text))
        deltas = {}
    for word in sorted(deltas.keys() - {*KINDS}):
        findings.errors.append(RequestError(f"[for.{word}] in recipe {name}: pictures are {', '.join(KINDS)}."))
    document: dict[str, Any] = {}
    with findings:
        own = _current(own, named=base is None)
    for word, delta in deltas.items():
        with findings:
            deltas[word] = _current(delta)
    if base is not None:
        beside = Path(name).parent / str(base)  # the base of a file may stand beside it
        with findings:
            document = recipe_document(str(beside) if beside.is_file() else str(base), kind, (*seen, name))
    if findings:
        with findings:
            check_alone(own)
    findings.raise_if_any()
    document = with_current_keys(merge(document, {"name": name.removesuffix(".toml"), **own}))
    return with_current_keys(merge(document, deltas.get(kind, {}))) if kind is not None else document


def _current(delta: Mapping[str, Any], *, named: bool = False) -> dict[str, Any]:
    """A delta in current keys, with a mapping for every part. Raises RequestError for one that says a thing twice."""
    check_schedule(delta)
    return _with_batch_of_lr(expanded(Recipe, renamed(delta), named=named))


def _with_batch_of_lr(delta: dict[str, Any]) -> dict[str, Any]:
    """A delta whose lr, if it has one, is not meant for the batch of the base's lr but for that of the run."""
    optimizer = delta.get("optimizer")
    if not isinstance(optimizer, Mapping) or "lr" not in optimizer:
        return delta
    return {**delta, "optimizer": {"lr_for_batch": None, **optimizer}}


def check_alone(delta: Mapping[str, Any]) -> None:
    """Raise RequestError for the wrong values of a delta whose base cannot be used.

    What depends on the base is left out (a part without its name), and what cannot be a part or group at all.
    """
    known: dict[str, Any] = {}
    for name, value in delta.items():
        with suppress(RequestError):
            current = _current({name: value})
            unnamed = isinstance(part := current.get(name), Mapping) and KEY not in part
            field = Recipe.model_fields.get(name)
            if not (unnamed and field is not None and any(isinstance(item, OneOf) for item in field.metadata)):
                known = merge(known, current)
    make_recipe(known)


def overrides(values: Iterable[tuple[str, Any]]) -> tuple[dict[str, Any], list[CardinetError]]:
    """Settings by dotted path or unambiguous short name as a delta of a recipe, and the errors among them.

    `network.KEY` reaches the network's description, and so does KEY where no recipe has that; which settings its
    network has, the description itself judges. Two ways of saying the same are refused.
    """
    placed: dict[tuple[str, ...], Any] = {}
    errors: list[CardinetError] = []
    for key, value in values:
        try:
            path = _place(key, value)
            if path in placed:
                raise RequestError(f"{_typed(path)} is given twice; give it once, by its option or by --set.")
            placed[path] = value
        except CardinetError as error:
            errors.append(error)
    delta: dict[str, Any] = {}
    said: set[tuple[str, ...]] = set()
    for path, value in sorted(placed.items(), key=lambda item: len(item[0])):  # a whole part before its settings
        alone: dict[str, Any] = {}
        put(alone, path, value)
        try:
            alone = expanded(Recipe, alone)
            places = set(_places(alone))
            if twice := {min(a, b) for a in places for b in said if _one_within_the_other(a, b)}:
                names = sorted(_typed(path) for path in twice)
                raise RequestError(
                    *(f"{name} is given twice; give it once, by its option or by --set." for name in names)
                )
            said |= places
            delta = merge(delta, alone)
        except RequestError as error:
            errors.append(error)
    return _with_batch_of_lr(delta), errors


def _places(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of the values in a delta, with a list of parts as the mapping that it means."""
    if isinstance(document, list) and all(isinstance(v, Mapping) and KEY in v for v in document):
        document = {str(v[KEY]): v for v in document}
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from _places(value, (*path, key))
    elif path:
        yield path if path != ("schedule", "kind") else ("schedule", KEY)


def _typed(path: tuple[str, ...]) -> str:
    """A path as a user types it: `network.KEY` for a change to the description."""
    return ".".join(path).replace("network.delta.", "network.", 1)


def _one_within_the_other(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return a[: len(b)] == b or b[: len(a)] == a


def _place(key: str, value: Any) -> tuple[str, ...]:
    """The path of a setting in a recipe's document: `network.delta.columns` for `columns`.

    Raises RequestError for an unknown or ambiguous name, and for a wrong value under a name that a network may have
    too: it says how to reach that one.
    """
    head, _, rest = key.partition(".")
    if head == "network" and rest and rest not in NetworkSettings.model_fields:
        return ("network", "delta", rest)
    old = old_place(key, value)
    in_recipe = {name for path in setting_paths(Recipe) for name in path}
    in_networks = {field.name for kind in PARTS.values() for field in fields(kind)}
    if old is None and head not in in_recipe:
        if head in in_networks:
            return ("network", "delta", key)
        hint = setting_hint(key, sorted(in_recipe | in_networks))
        raise RequestError(f'There is no setting "{key}" ({hint}).{EVERY_SETTING}')
    try:
        path = find_setting(Recipe, key) if old is None else new_place(old, value)
        if key in in_networks:
            alone: dict[str, Any] = {}
            put(alone, path, value)
            make_recipe(alone)
    except RequestError as error:
        if key not in in_networks:
            raise
        raise RequestError(f"{error} If the network's {key} is meant, write network.{key}.") from None
    return path


def make_recipe(document: Mapping[str, Any]) -> Recipe:
    """The recipe in a document. Raises RequestError with every wrong setting at once."""
    return validate(Recipe, with_current_keys(document))
