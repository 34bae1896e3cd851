"""The request of a reproduction, which is checked completely before any work."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cardinet.base.errors import CardinetError, Findings, RequestError
from cardinet.base.output_paths import check_new_file, check_new_folder
from cardinet.base.whole_numbers import require_whole
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import list_source
from cardinet.data.source import Source, open_source
from cardinet.reproduce.book import Book
from cardinet.reproduce.claim import Claim
from cardinet.reproduce.claims import claims, find_claim
from cardinet.reproduce.lab import Laboratory, Progress, silent
from cardinet.reproduce.scales import SCALES, Scale, ScaleName, find_scale
from cardinet.runs.environment import device_of
from cardinet.train.request import Opener


@dataclass(frozen=True, kw_only=True)
class Request:
    """Some claims, or all of them, at a scale. `data` are other pictures than those of the scale.

    `out` is the book's folder; a book that is there is continued. `seeds` is the number of seeds of every claim that
    trains, instead of its own. `jobs` is the number of trainings that run side by side; none: as many as the cores are
    enough for, if the scale says how many threads a training has, else one.
    """

    names: Sequence[str] = ()
    every: bool = False
    scale: str = "minutes"
    data: str | None = None
    seeds: int | None = None
    out: Path | None = None
    jobs: int | None = 1

    @property
    def folder(self) -> Path:
        return self.out or Path(f"reproduction-{self.scale}")

    @property
    def page(self) -> Path:
        """The page of the book."""
        return self.folder / "book.html"

    @property
    def command(self) -> str:
        """The command that continues the book."""
        options = {"--scale": self.scale, "--data": self.data, "--seeds": self.seeds, "--out": self.out}
        given = [str(word) for pair in options.items() if pair[1] is not None for word in pair]
        return shlex.join(["cardinet", "reproduce", *self.names, *(["--all"] if self.every else []), *given])


@dataclass(frozen=True, eq=False)
class Prepared:
    """The claims, each with its laboratory, and the sentences on claims that the scale does not offer."""

    request: Request
    claims: tuple[tuple[Claim, Laboratory], ...]
    notes: tuple[str, ...] = ()
    jobs: int = 1
    progress: Progress = silent

    @property
    def folder(self) -> Path:
        return self.request.folder

    @property
    def expected_minutes(self) -> float:
        """The expected time of all claims together on a quiet machine, if none is finished."""
        scale = find_scale(self.request.scale).name
        return sum(claim.minutes[scale] / (self.jobs if lab.arms else 1) for claim, lab in self.claims)


def resolve(request: Request, progress: Progress = silent) -> Prepared:
    """Find the claims and check their trainings. Raises RequestError or WorkError with all findings at once."""
    findings, chosen, scale = Findings(), list[Claim](), SCALES["minutes"]
    with findings:
        if request.every == bool(request.names):
            raise RequestError("Give the names of claims, or --all for the book; `cardinet reproduce` lists them.")
    for name in request.names:
        with findings:
            chosen.append(find_claim(name))
    with findings:
        scale = find_scale(request.scale)
    with findings:
        if request.seeds is not None:
            require_whole(1, 1000, seeds=request.seeds)
    with findings:
        if request.jobs is not None:
            require_whole(1, 1000, jobs=request.jobs)
    with findings:
        _check_folder(request)
    findings.raise_if_any()
    chosen = list(claims().values()) if request.every else chosen
    offered = [claim for claim in chosen if scale.name in claim.minutes]
    notes = [_not_offered(claim, scale.name) for claim in chosen if claim not in offered]
    if not offered:
        raise RequestError(*notes)
    labs = [(claim, laboratory(claim, request, progress)) for claim in offered]
    book, again = Book(request.folder), list[str]()
    for claim in claims().values():  # the page shows every claim of the scale
        with findings:
            if scale.name in claim.minutes and book.outdated(claim, laboratory(claim, request)) and claim in offered:
                again.append(claim.id)
    if again:
        notes.append(f"Finished with another rule, other arms, pictures or seeds, so tried again: {', '.join(again)}.")
    with findings:
        if any(lab.arms for _, lab in labs):
            device_of(str(scale.settings.get("machine.device", "auto")))
    with findings:
        unused = request.data is not None and not any(lab.arms for _, lab in labs)
        if unused or any(lab.unfinished() for _, lab in labs):
            list_source(request.data or scale.source)  # all trainings read it: its faults are said once
        if unused:
            notes.append(f"None of these claims looks at pictures, so {request.data} is not used.")
    findings.raise_if_any()
    _check_trainings(labs, progress)
    return Prepared(request, tuple(labs), tuple(notes), request.jobs or side_by_side(scale), progress)


def _check_folder(request: Request) -> None:
    """Raise RequestError if the book cannot be in its folder, or if the folder holds something else."""
    folder = request.folder
    if folder.is_dir():
        inside = [path.name for path in folder.iterdir()]
        if inside and not {"claims", "runs"} & set(inside):
            raise RequestError(f"{folder} is no book: it holds {inside[0]}; give --out a new folder.")
        check_new_file(request.page, replaces=True)
    elif folder.exists():
        raise RequestError(f"{folder} is a file; give --out a folder for the book.")
    else:
        check_new_folder(folder, parents=True)


def _check_trainings(labs: Sequence[tuple[Claim, Laboratory]], progress: Progress) -> None:
    """Check every training that was not started. A fault that several have in common is told once, of the first.

    Raises RequestError or WorkError with all of them.
    """
    opener, found = opened_once(), dict[tuple[type[CardinetError], str], list[str]]()
    for done, (claim, lab) in enumerate(labs):
        progress("checking claims", done, len(labs))
        for name, error in lab.faults(opener):
            for finding in error.findings:
                found.setdefault((type(error), finding), []).append(f"{claim.id}: {name}")
    findings = Findings()
    for (kind, finding), (first, *others) in found.items():
        more = f" (and {len(others):,} more training{'s' * (len(others) > 1)})" if others else ""
        findings.errors.append(kind(f"{first}{more}: {finding}"))
    findings.raise_if_any()


def laboratory(claim: Claim, request: Request, progress: Progress = silent) -> Laboratory:
    """The laboratory of a claim."""
    scale = find_scale(request.scale)
    arms = claim.arms(scale.name)
    count = (request.seeds or claim.seeds.get(scale.name, scale.seeds)) if arms else 0
    return Laboratory(scale, arms, range(count), request.folder, request.data, progress)


def opened_once() -> Opener:
    """An opener that keeps what it has opened: all trainings of a scale read the same pictures."""
    kept: dict[str, Source] = {}

    def opener(text: str, settings: DataSettings) -> Source:
        key = f"{text} {settings.model_dump_json()}"
        if key not in kept:
            kept[key] = open_source(text, settings)
        return kept[key]

    return opener


def side_by_side(scale: Scale) -> int:
    """The number of trainings that this machine runs side by side at a scale."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = scale.settings.get("machine.threads")
    return max(1, cores // int(threads)) if threads else 1


def _not_offered(claim: Claim, scale: ScaleName) -> str:
    return f"{claim.id} has no experiment at the scale {scale}; it has {', '.join(claim.minutes)}."
