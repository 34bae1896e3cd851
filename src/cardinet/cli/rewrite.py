"""`cardinet rewrite`: a model in another form that computes the same function, proven on the spot."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardinet.cli.growth import Classes, Deepen, Growth, InChannels, Seed, Widen, growth
from cardinet.cli.options import Json, NoBounds, Set
from cardinet.cli.prune import Epochs, KeepMacs, Prune
from cardinet.cli.real_pictures import PROOF, TYPICAL, RealPictures, real_pictures
from cardinet.cli.talk import print_json, say, show, show_table, thousands

if TYPE_CHECKING:
    from torch import Tensor

    from cardinet.rewrite.proof import Proven
    from cardinet.rewrite.registry import Step
    from cardinet.runs.model_file import Model

SECONDS = 2.0
"""For which before and after are timed, in turn."""


Strip = Annotated[bool, typer.Option("--strip", help="Without dropout, drop-path and other draws.")]
Form = Annotated[Literal["a", "b", "c"] | None, typer.Option("--form", help="ResNeXt's Figure 3 (a), (b) or (c).")]
MergeBranches = Annotated[
    bool, typer.Option("--merge-branches", help="Parallel linear branches as one convolution (RepVGG).")
]
Fold = Annotated[bool, typer.Option("--fold", help="BN folded into the layers around it.")]
Unfold = Annotated[
    bool, typer.Option("--unfold", help="BN where --fold or --prune took it, with pictures' statistics; to train on.")
]
Pack = Annotated[
    int | None, typer.Option("--pack", min=1, metavar="N", help="Groups joined until each has N channels.")
]
Unpack = Annotated[bool, typer.Option("--unpack", help="Packed groups as they were.")]


def rewrite(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or model file.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The new model file; must not exist.")],
    strip: Strip = False,
    classes: Classes = None,
    in_channels: InChannels = None,
    deepen: Deepen = None,
    widen: Widen = None,
    seed: Seed = None,
    form: Form = None,
    merge_branches: MergeBranches = False,
    fold: Fold = False,
    unfold: Unfold = False,
    pack: Pack = None,
    unpack: Unpack = False,
    prune: Prune = False,
    keep_macs: KeepMacs = None,
    epochs: Epochs = None,
    settings: Set = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="Real pictures; a run knows its own.")
    ] = None,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Rewrite a model, and prove that it is the same function.

    Several rewrites are applied in the order of this list. Each is proven in float64 and float32, on random pictures
    and on real ones where there are some; what differs by more than rounding is not written. Other classes are proven
    on those that stay, other channels on repeated ones. A deeper or wider model starts as the function that it was, to
    be trained on (`train --weights`). --prune trains: it keeps not the function but, as far as it can, the error; --set
    changes its recipe, and `train --resume` continues it.
    """
    from cardinet.base.errors import Findings
    from cardinet.base.places import check_file, check_model_name
    from cardinet.cli.prune import prune as run_pruning
    from cardinet.cli.prune import pruning_settings

    asked: list[tuple[str, Any, dict[str, Any]]] = [
        ("strip", strip, {}),
        ("form", form, {"form": form}),
        ("merge_branches", merge_branches, {}),
        ("fold", fold, {}),
        ("unfold", unfold, {}),
        ("pack", pack, {"width": pack}),
        ("unpack", unpack, {}),
    ]
    grows = any(option is not None for option in (classes, in_channels, deepen, widen))
    named = grows or any(given for _, given, _ in asked)
    findings, wanted, opened = Findings(), Growth(), None
    with findings:
        check_file(out)
        check_model_name(out)
    with findings:
        wanted = growth(classes, in_channels, deepen, widen, seed)
    with findings:
        _check_words(
            named=named,
            prune=prune,
            trains=keep_macs is not None or epochs is not None or bool(settings),
            idle_seed=seed is not None and (classes, deepen, widen) == (None, None, None),
        )
    with findings:
        opened = _opened(model, data, wanted, asked, prune=prune)
    findings.raise_if_any()
    assert opened is not None
    before, steps, real = opened
    if real is None:
        run_pruning(model, before, data, pruning_settings(keep_macs, epochs, seed), settings, out, as_json=as_json)
        return
    if real.note:
        say(real.note)
    _work(before, steps, wanted, real, out, as_json=as_json)


def _opened(
    model: str, data: str | None, wanted: Growth, asked: list[tuple[str, Any, dict[str, Any]]], *, prune: bool
) -> tuple[Model, list[Step], RealPictures | None]:
    """The model, its rewrites in order and the pictures that prove them; a pruning has a way of its own to both.

    Raises RequestError or WorkError with all that is wrong.
    """
    from cardinet.base.errors import Findings
    from cardinet.evaluate.opening import AskedModel
    from cardinet.evaluate.opening import opened as open_model

    opened = open_model(AskedModel(model=model))
    say(*opened.notes)
    before, found = opened.model, Findings()
    steps: list[Step] = []
    real: RealPictures | None = None
    if not prune:
        with found:
            steps = _steps(before, wanted, asked)
        with found:
            unfolds = any(given for name, given, _ in asked if name == "unfold")
            real = real_pictures(model, data, before.preprocessing, typical=unfolds)
            if unfolds:
                real.check_typical(wanted.channels)
        found.raise_if_any()
    return before, steps, real


def _check_words(*, named: bool, prune: bool, trains: bool, idle_seed: bool) -> None:
    """Raise RequestError where options do not go together: a pruning is a run of its own."""
    from cardinet.base.errors import RequestError

    if not named and not prune:
        raise RequestError("Name at least one rewrite, such as --fold; `cardinet rewrite --help` lists them.")
    if prune and named:
        raise RequestError("--prune is a run of its own; rewrite the model that comes of it in a second command.")
    if not prune and trains:
        raise RequestError("--keep-macs, --epochs and --set are for the training of --prune; leave them out.")
    if not prune and idle_seed:
        raise RequestError("--seed: nothing is drawn in these rewrites; leave it out.")


def _steps(model: Model, wanted: Growth, asked: list[tuple[str, Any, dict[str, Any]]]) -> list[Step]:
    """All rewrites in order.

    Raises RequestError with everything for which they refuse the model, and where there is no memory to prove them.
    """
    from cardinet.base.errors import Findings
    from cardinet.rewrite.registry import REWRITES, Step, tried
    from cardinet.runs.room import require_proof

    steps = [Step(name, arguments) for name, given, arguments in asked if given]
    stripped = [step for step in steps if step.name == "strip"]
    steps = [*stripped, *wanted.steps(model), *(step for step in steps if step.name != "strip")]
    found = Findings()
    with found:
        wanted.check(model)
    with found:
        settles = any(REWRITES[step.name].settle for step in steps)
        require_proof(tried(model.network, steps), model.preprocessing.crop, TYPICAL if settles else PROOF)
    found.raise_if_any()
    return steps


@dataclass(frozen=True)
class _Figures:
    """What a network is before or after."""

    params: int
    macs: int
    milliseconds: float


def _work(before: Model, steps: list[Step], wanted: Growth, real: RealPictures, out: Path, *, as_json: bool) -> None:
    """Apply and prove step after step, write the file, and print what was gained."""
    import dataclasses

    from cardinet.cli.progress import Bar
    from cardinet.rewrite.proof import proven
    from cardinet.runs.model_file import save_model

    side = before.preprocessing.crop
    network, found = before.network, []
    with Bar("proving") as bar:
        for i, step in enumerate(steps):
            found.append(proven(network, step, lambda channels: _pictures(channels, side, real), real.typical))
            network = found[-1].network
            bar(i + 1, len(steps))
    rewrites = (*before.rewrites, *steps)
    after = dataclasses.replace(before, network=network, rewrites=rewrites, **wanted.changes(before, network))
    figures = _figures(before, after)
    save_model(out, after)
    if note := wanted.note(before):
        say(note)
    if as_json:
        document = {"model": str(out), "steps": [one.to_document() for one in found]}
        print_json(document | {when: asdict(one) for when, one in zip(("before", "after"), figures, strict=True)})
        return
    show(str(out))
    _print(found, *figures)


def _pictures(channels: int, side: int, real: RealPictures) -> dict[str, Tensor]:
    """Random pictures, and real ones where there are some of so many channels."""
    import torch

    generator = torch.Generator().manual_seed(0)
    found = {"random": torch.randn(PROOF, channels, side, side, generator=generator)}
    return found if real.proof is None or real.proof.shape[1] != channels else found | {"real": real.proof}


def _figures(before: Model, after: Model) -> tuple[_Figures, _Figures]:
    """The counts of both, and the median milliseconds for one picture, measured in turn."""
    import statistics
    from functools import partial

    import torch

    from cardinet.measure.counts import count
    from cardinet.measure.latency import in_turn
    from cardinet.rewrite.flow import on_meta

    models = {"before": before, "after": after}
    sides = {when: (one.preprocessing.channels, one.preprocessing.crop) for when, one in models.items()}
    pixels = {when: torch.randn(1, channels, side, side) for when, (channels, side) in sides.items()}
    calls = {when: partial(one.network.eval(), pixels[when]) for when, one in models.items()}
    with torch.inference_mode():
        times = in_turn(calls, seconds=SECONDS, most=200)
    found = []
    for when, one in models.items():
        counts = count(on_meta(one.network), sides[when][1], sides[when][0])
        found.append(_Figures(counts.params, counts.macs, statistics.median(times[when])))
    return found[0], found[1]


def _print(found: list[Proven], before: _Figures, after: _Figures) -> None:
    from cardinet.rewrite.modules import grouped

    show_table(
        {"": "left", "before": "right", "after": "right"},
        (
            ("parameters", thousands(before.params), thousands(after.params)),
            ("MACs", thousands(before.macs), thousands(after.macs)),
            ("milliseconds a picture", f"{before.milliseconds:.2f}", f"{after.milliseconds:.2f}"),
        ),
    )
    for one in found:
        arguments = ", ".join(f"{key}={_short(str(value))}" for key, value in one.step.arguments.items())
        differences = "; ".join(
            f"{proof.float64:.1e} in float64, {proof.float32:.1e} in float32 on {proof.pictures} {kind} pictures"
            for kind, proof in one.proofs.items()
        )
        say(f"{one.step.name}({arguments}): largest relative difference of the logits {differences}.")
        for names, why in grouped(one.stays):
            say(f"  as it was: {names}, as {why}.")


def _short(text: str) -> str:
    """The beginning of a long value, as the rows of thousands of classes."""
    return text if len(text) <= 100 else f"{text[:100]}..."
