"""The request of a reproduction, which is checked completely before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.whole_numbers import require_whole
from cardinet.reproduce.claim import Claim
from cardinet.reproduce.claims import claims, find_claim
from cardinet.reproduce.lab import Laboratory, Progress
from cardinet.reproduce.scales import SCALE_NAMES, SCALES, ScaleName


@dataclass(frozen=True, kw_only=True)
class Request:
    """Some claims, or all of them, at a scale. `data` are other pictures than those of the scale.

    `out` is the book's folder; a book that is there is continued. `seeds` is the number of seeds of every claim that
    trains, instead of its own.
    """

    names: Sequence[str] = ()
    every: bool = False
    scale: str = "minutes"
    data: str | None = None
    seeds: int | None = None
    out: Path | None = None

    @property
    def folder(self) -> Path:
        return self.out or Path(f"reproduction-{self.scale}")


@dataclass(frozen=True, eq=False)
class Prepared:
    """The claims, each with its laboratory, and the sentences on claims that the scale does not offer."""

    folder: Path
    claims: tuple[tuple[Claim, Laboratory], ...]
    notes: tuple[str, ...]


def resolve(request: Request, progress: Progress = lambda what, done, total: None) -> Prepared:
    """Find the claims and check their trainings. Raises RequestError or WorkError with all findings at once."""
    findings, chosen, scale = Findings(), list[Claim](), SCALES["minutes"]
    with findings:
        if request.every == bool(request.names):
            raise RequestError("Give the names of claims, or --all for the book; `cardinet reproduce` lists them.")
    for name in request.names:
        with findings:
            chosen.append(find_claim(name))
    with findings:
        if request.scale not in SCALE_NAMES:
            raise RequestError(f'There is no scale "{request.scale}" ({nearest(request.scale, SCALE_NAMES)}).')
        scale = SCALES[request.scale]
    with findings:
        if request.seeds is not None:
            require_whole(1, 1000, seeds=request.seeds)
    with findings:
        if request.folder.exists() and not request.folder.is_dir():
            raise RequestError(f"{request.folder} is a file; give --out a folder for the book.")
    findings.raise_if_any()
    chosen = list(claims().values()) if request.every else chosen
    offered = [claim for claim in chosen if scale.name in claim.minutes]
    notes = [_not_offered(claim, scale.name) for claim in chosen if claim not in offered]
    if not offered:
        raise RequestError(*notes)
    labs = [(claim, laboratory(claim, request, progress)) for claim in offered]
    for _, lab in labs:
        with findings:
            lab.check()
    findings.raise_if_any()
    return Prepared(request.folder, tuple(labs), tuple(notes))


def laboratory(claim: Claim, request: Request, progress: Progress) -> Laboratory:
    """The laboratory of a claim."""
    scale = SCALES[request.scale]  # type: ignore[index]
    arms = claim.arms(scale.name)
    count = request.seeds or claim.seeds.get(scale.name, scale.seeds)
    return Laboratory(scale, arms, range(count), request.folder, request.data, progress)


def _not_offered(claim: Claim, scale: ScaleName) -> str:
    return f"{claim.id} has no experiment at the scale {scale}; it has {', '.join(claim.minutes)}."
