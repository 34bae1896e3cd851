"""`cardinet rewrite`: a model in another form that computes the same function, proven on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cardinet.cli.options import Json
from cardinet.cli.talk import print_json, say, thousands

LARGEST_DIFFERENCE = 1e-10


def rewrite(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder or model file.")],
    form: Annotated[Literal["a", "b", "c"], typer.Option("--form", help="The paper's Figure 3 (a), (b) or (c).")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The new model file; must not exist.")],
    as_json: Json = False,
) -> None:
    """Write a model in another form of the aggregated transform, and prove that it is the same function."""
    import copy
    import dataclasses

    import torch

    from cardinet.base.errors import Findings, RequestError, WorkError
    from cardinet.cli.options import read_model
    from cardinet.measure.counts import parameters
    from cardinet.rewrite.proof import prove
    from cardinet.rewrite.registry import Step, apply
    from cardinet.runs.model_file import save_model

    findings = Findings()
    with findings:
        if out.exists() or not out.parent.is_dir():
            why = "exists; name a file that does not" if out.exists() else "cannot be written: its folder is not there"
            raise RequestError(f"{out} {why}.")
    with findings:
        before = read_model(model)
    findings.raise_if_any()
    step = Step(name="form", arguments={"form": form})
    network = apply(copy.deepcopy(before.network), (step,))
    side = before.preprocessing.crop
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(4, before.preprocessing.channels, side, side, generator=generator)
    proof = prove(before.network, network, pixels)
    if not proof.float64 <= LARGEST_DIFFERENCE:  # also when it is no number
        raise WorkError(
            f"The rewritten network differs by {proof.float64:.1e}; nothing was written. Please report this."
        )
    save_model(out, dataclasses.replace(before, network=network, rewrites=(*before.rewrites, step)))
    counts = parameters(before.network), parameters(network)
    if as_json:
        print_json(
            {
                "model": str(out),
                "form": form,
                "params": {"before": counts[0], "after": counts[1]},
                **dataclasses.asdict(proof),
            }
        )
        return
    print(out)
    say(
        f"Form {form}: largest relative difference of the logits {proof.float64:.1e} in float64, {proof.float32:.1e} "
        f"in float32; parameters {thousands(counts[0])} before, {thousands(counts[1])} after."
    )
