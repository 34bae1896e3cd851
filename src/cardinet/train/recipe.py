"""A recipe: every setting of a run, typed. Recipes are data (`recipes/*.toml`), each a base and a delta."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from cardinet.base.documents import Bounds, DocumentError, parse_toml, read_bytes
from cardinet.base.durations import Duration
from cardinet.base.errors import CardinetError, RequestError, nearest
from cardinet.base.numbers import THREADS, WORKERS
from cardinet.base.settings import Settings, find_setting, leaves, merge, put, validate
from cardinet.base.synonyms import setting_hint
from cardinet.data.preprocessing import LARGEST_SIDE
from cardinet.data.settings import AugmentationSettings, DataSettings
from cardinet.networks.document import from_document
from cardinet.networks.part import PARTS
from cardinet.networks.registry import find
from cardinet.networks.spec import NetworkSpec

if TYPE_CHECKING:
    from cardinet.rewrite.registry import Step

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Kind = Literal["tiny", "small", "photographs"]
BOUNDS = Bounds(size=2**20, finite=False)
"""How much of a recipe is read; what is no finite number is refused by the name of its setting."""
KINDS: tuple[Kind, ...] = ("tiny", "small", "photographs")


class NetworkSettings(Settings):
    """`id` names the network, `delta` changes settings of its description, `init` draws its weights.

    `spec` is a whole description instead of the one that `id` names, as of a model file, and `rewrites` are what was
    done to that network, whose weights are given.
    """

    id: str = "auto"
    init: Literal["torchvision", "paper"] = "torchvision"
    delta: dict[str, Any] = {}
    spec: dict[str, Any] | None = None
    rewrites: tuple[dict[str, Any], ...] = ()

    def steps(self) -> tuple[Step, ...]:
        """The rewrites. Raises RequestError for one that is not known."""
        from cardinet.rewrite.registry import steps_from_document  # it imports torch, and a list of recipes needs none

        return steps_from_document(self.rewrites)

    def described(self) -> Any:
        """The description before the delta. Raises RequestError for an unknown network, or a description of none."""
        if self.spec is None:
            return find(self.id).spec
        spec = from_document(self.spec)
        if not isinstance(spec, NetworkSpec):
            raise RequestError(f"network.spec describes a {type(spec).__name__}, which is no whole network.")
        return spec


class PreprocessingSettings(Settings):
    """The input of the network; what is not given follows from the pictures.

    `size` is the side in pixels, `resize` the shorter side before the central crop of an evaluation.
    """

    size: int | None = Field(default=None, gt=0, le=LARGEST_SIDE)
    resize: int | None = Field(default=None, gt=0, le=LARGEST_SIDE)
    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    antialias: bool = True
    mean: tuple[float, ...] | None = None
    std: tuple[Positive, ...] | None = None


class OptimizerSettings(Settings):
    """SGD. `clip` bounds the norm of the gradient; `accumulate` splits a batch into that many parts."""

    lr: Positive = 0.1
    momentum: Share = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    decay_norms_and_biases: bool = True
    clip: Positive | None = None
    accumulate: Annotated[int, Field(ge=1)] = 1
    label_smoothing: Share = 0.0


class ScheduleSettings(Settings):
    """How the learning rate moves: see `schedule.learning_rate`."""

    kind: Literal["step", "cosine", "constant"] = "cosine"
    warmup: Duration = Duration("0 steps")
    warmup_from: Annotated[float, Field(ge=0, le=1)] = 0.1
    drops: tuple[Duration, ...] = ()
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    final: Annotated[float, Field(ge=0, lt=1)] = 0.0


class TrainingSettings(Settings):
    """How long, in batches of how many, and how often something is written down."""

    length: Duration = Duration("10 epochs")
    batch_size: Annotated[int, Field(ge=1)] = 128
    log_every: Duration = Duration("50 steps")
    evaluate_every: Duration = Duration("1 epoch")
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 120


class PruningSettings(Settings):
    """ResRep's rule (`train.prune`): with `keep_macs`, the share of the multiply-adds that is to stay, it is on.

    `lasso` is the strength of the penalty on the rows of compactors, which have a momentum of their own; None: the
    paper's 1e-4, or what takes a row to zero within a twentieth of the run, if that is more. From `mask_from` to
    `mask_until` rows are masked anew at every `mask_every`, at most `mask_rows` more of them each time (None: as many
    as would mask all within a third of the run); after that the masked ones have the rest of the run to reach zero.
    """

    keep_macs: Annotated[float, Field(gt=0, lt=1)] | None = None
    lasso: Positive | None = None
    compactor_momentum: Share = 0.99
    mask_from: Duration = Duration("3 %")
    mask_until: Duration = Duration("60 %")
    mask_every: Duration = Duration("0.25 %")
    mask_rows: Annotated[int, Field(ge=1)] | None = None


class MachineSettings(Settings):
    """What a run's bits depend on beside the recipe. `threads` 0 is measured (`train.threads`)."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    threads: Annotated[int, Field(ge=0, le=THREADS)] = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    workers: Annotated[int, Field(ge=0, le=WORKERS)] = 2
    device: str = "auto"


class Recipe(Settings):
    """Every setting of a run.

    `fits` names the kinds of pictures that the recipe is made for; `from_weights` says that it is made for a network
    that is trained already.
    """

    name: str = "custom"
    from_weights: bool = False
    fits: tuple[Kind, ...] = KINDS
    network: NetworkSettings = NetworkSettings()
    data: DataSettings = DataSettings()
    preprocessing: PreprocessingSettings = PreprocessingSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    training: TrainingSettings = TrainingSettings()
    machine: MachineSettings = MachineSettings()
    pruning: PruningSettings = PruningSettings()

    def but(self, group: str, **changes: Any) -> Recipe:
        """The same recipe with some settings of one group changed."""
        return self.model_copy(update={group: getattr(self, group).model_copy(update=changes)})


def recipe_names() -> list[str]:
    """The built-in recipes."""
    folder = resources.files("cardinet.train") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def recipe_text(name: str) -> str:
    """The text of a recipe: a built-in one by name, or a file by its path ending in .toml.

    Raises RequestError when there is none.
    """
    if name in recipe_names():
        return (resources.files("cardinet.train") / "recipes" / f"{name}.toml").read_text()
    if not name.endswith(".toml"):
        raise RequestError(f'There is no recipe "{name}" ({nearest(name, recipe_names())}); a file ends in .toml.')
    try:
        return read_bytes(Path(name), BOUNDS.size).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, DocumentError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        reason = "it is no text" if isinstance(error, UnicodeDecodeError) else reason
        raise RequestError(f"The recipe {name} cannot be read: {reason}.") from None


def recipe_document(name: str, kind: str | None = None, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """A recipe with its bases beneath it, and with its `[for.KIND]` delta when the kind of pictures is known."""
    if name in seen:
        raise RequestError(f'The recipe "{name}" is its own base ({" -> ".join((*seen, name))}).')
    try:
        own = parse_toml(recipe_text(name), BOUNDS)
    except DocumentError as error:
        raise RequestError(f"The recipe {name} cannot be used: {error}.") from None
    base = own.pop("base", None)
    deltas = own.pop("for", {})
    if not isinstance(deltas, dict) or not all(isinstance(delta, dict) for delta in deltas.values()):
        raise RequestError(f'In recipe {name} "for" is no table; write [for.tiny] and the settings below it.')
    if unknown := [kind for kind in deltas if kind not in KINDS]:
        raise RequestError(f"[for.{unknown[0]}] in recipe {name}: pictures are {', '.join(KINDS)}.")
    document = {}
    if base is not None:
        beside = Path(name).parent / str(base)  # a file's base is looked for beside it
        document = recipe_document(str(beside) if beside.is_file() else str(base), kind, (*seen, name))
    document = merge(document, {"name": name.removesuffix(".toml"), **own})
    return merge(document, deltas.get(kind, {})) if kind is not None else document


def overrides(values: Iterable[tuple[str, Any]]) -> tuple[dict[str, Any], list[CardinetError]]:
    """Settings by dotted path or unambiguous short name as a delta of a recipe, and the errors among them.

    `network.KEY` reaches the network's description, and so does KEY where no recipe has that; which settings its
    network has, the description itself judges. Two ways of saying the same are refused.
    """
    delta: dict[str, Any] = {}
    errors: list[CardinetError] = []
    given: set[tuple[str, ...]] = set()
    for key, value in values:
        try:
            path = _place(key, value)
            if path in given:
                raise RequestError(f"{'.'.join(path)} is given twice; give it once, by its option or by --set.")
            given.add(path)
            put(delta, path, value)
        except CardinetError as error:
            errors.append(error)
    return delta, errors


def _place(key: str, value: Any) -> tuple[str, ...]:
    """The path of a setting in a recipe's document: `network.delta.columns` for `columns`.

    Raises RequestError for an unknown or ambiguous name, and for a wrong value under a name that a network may have
    too: it says how to reach that one.
    """
    head, _, rest = key.partition(".")
    if head == "network" and rest and rest not in NetworkSettings.model_fields:
        return ("network", "delta", rest)
    in_recipe = {name for path in leaves(Recipe) for name in path}
    in_networks = {field.name for kind in PARTS.values() for field in fields(kind)}
    if head not in in_recipe:
        if head in in_networks:
            return ("network", "delta", key)
        raise RequestError(f'There is no setting "{key}" ({setting_hint(key, sorted(in_recipe | in_networks))}).')
    try:
        path = find_setting(Recipe, key)
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
    return validate(Recipe, document)
