"""`cardinet info`: the exact counts of a network or a model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardinet.base.whole_numbers import SIDE
from cardinet.cli.options import Json, NoBounds, Set
from cardinet.cli.talk import in_short, print_json, say, show, show_table, thousands

if TYPE_CHECKING:
    from cardinet.measure.counts import Counts


def info(
    model: Annotated[str, typer.Argument(metavar="NETWORK|MODEL", help="A network's name, run folder or model file.")],
    settings: Set = None,
    input_size: Annotated[
        int | None, typer.Option("--input-size", min=1, max=SIDE, metavar="N", help="Side of the picture in pixels.")
    ] = None,
    no_bounds: NoBounds = False,
    as_json: Json = False,
) -> None:
    """Count parameters, MACs, FLOPs and activations, stage by stage.

    A network that papers count in another form than it is trained in (RepVGG, ResRep) is counted in both.
    """
    from cardinet.cli.options import changed_spec
    from cardinet.evaluate.opening import model_path
    from cardinet.measure.counts import count_spec
    from cardinet.networks.document import to_document
    from cardinet.networks.registry import find

    about: dict[str, Any]
    if (path := model_path(model)) is not None:
        counts, about = _model_file(str(path), settings, input_size)
    else:
        row = find(model)
        spec = changed_spec(row.spec, settings)
        counts = count_spec(spec, input_size or row.input_size)
        about = {"id": row.id, "family": row.family, "paper": row.paper, "spec": to_document(spec)}
        if row.reading:
            about["reading"] = row.reading
        for field, form in row.printed_form.items() if not settings else ():
            printed = count_spec(spec.but(**{field: form}), input_size or row.input_size)
            about |= {field: form, "forms": {form: _totals(printed), getattr(spec, field): _totals(counts)}}
            counts = printed
        if row.printed_steps and not settings:
            printed = _after(spec, row.printed_steps, input_size or row.input_size)
            about |= {"form": "printed", "forms": {"printed": _totals(printed), "built": _totals(counts)}}
            counts = printed
    if as_json:
        print_json(about | counts.to_document())
    else:
        _print(about, counts)


def _after(spec: Any, steps: Sequence[Mapping[str, Any]], input_size: int) -> Counts:
    """The counts of a description's network after rewrites."""
    from cardinet.build.builder import build
    from cardinet.measure.counts import count
    from cardinet.rewrite.registry import apply, steps_from_document

    return count(apply(build(spec, device="meta"), steps_from_document(steps)), input_size, spec.in_channels)


def _totals(counts: Counts) -> dict[str, Any]:
    return {key: value for key, value in counts.to_document().items() if key != "stages"}


def _model_file(path: str, settings: list[str] | None, input_size: int | None) -> tuple[Counts, dict[str, Any]]:
    from cardinet.base.errors import RequestError
    from cardinet.evaluate.opening import AskedModel, opened
    from cardinet.measure.counts import count
    from cardinet.networks.document import to_document

    if settings:
        raise RequestError(
            "--set changes a network's description, and a trained model is what it is; name a network instead."
        )
    found = opened(AskedModel(model=path))
    say(*found.notes)
    model = found.model
    counts = count(model.network.to("meta"), input_size or model.preprocessing.crop, model.preprocessing.channels)
    about = {"id": model.training.get("network", "custom"), "file": path, "spec": to_document(model.spec)}
    about |= {"rewrites": [step.to_document() for step in model.rewrites], "classes": list(model.classes)}
    about |= {"preprocessing": model.preprocessing.as_settings(), "training": model.training}
    return counts, about | {"version": model.version}


def _print(about: dict[str, Any], counts: Counts) -> None:
    channels, height, width = counts.input
    known = ", ".join(str(about[key]) for key in ("family", "paper", "file") if key in about)
    show(f"{about['id']}  ({known}), input {channels} x {height} x {width}")
    show(f"parameters   {thousands(counts.params)}")
    show(f"MACs         {thousands(counts.macs)}  ({in_short(counts.macs)})")
    show(f"FLOPs        {thousands(counts.flops)}  (2 x MACs)")
    show(f"activations  {thousands(counts.activations)}  (outputs of convolution and linear layers)")
    for form, totals in about.get("forms", {}).items():
        params, macs = thousands(totals["params"]), thousands(totals["macs"])
        shown = "; this table shows it" if form == about.get("form") else ""
        show(f"{form + ' form':<16} {params} parameters, {macs} MACs{shown}")
    if "reading" in about:
        show(f"reading      {about['reading']}")
    for name in ("validation", "test"):
        figures = about.get("training", {}).get(name)
        if figures:
            show(f"{name} error {100 * figures['error']:.2f} % of {thousands(figures['count'])} pictures")
    right: tuple[Literal["left", "right"], ...] = ("left", "left", "right", "right", "right")
    columns = dict(zip(("stage", "output", "parameters", "MACs", "activations"), right, strict=True))
    show("")
    show_table(
        columns,
        (
            (
                stage.name,
                " x ".join(map(str, stage.output)),
                *map(thousands, (stage.params, stage.macs, stage.activations)),
            )
            for stage in counts.stages
        ),
    )
