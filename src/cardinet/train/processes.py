"""A training by several processes, as torchrun starts them: what they must agree on before they begin."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from cardinet.base.errors import CardinetError, Findings, RequestError
from cardinet.runs.environment import versions
from cardinet.runs.folder import RunFolder
from cardinet.runs.ranks import Ranks, connected, launch_id
from cardinet.runs.recorded_settings import flat
from cardinet.train.job import resume, start
from cardinet.train.listener import Listener
from cardinet.train.request import Request, Resolved, resolve


@contextmanager
def connected_for(folder: Path | None) -> Iterator[Ranks]:
    """The connected processes of a run, led by the first that has the run folder, if it is there already.

    They are `again` there if the same launch has made the folder: it has started them again.
    """
    with connected(partial(_led, folder)) as ranks:
        yield ranks


def _led(folder: Path | None, ranks: Ranks) -> Ranks:
    there = again = False
    if folder is not None:
        there = (folder / "run.toml").is_file()
        with suppress(CardinetError):
            again = bool(launch_id()) and RunFolder(folder).record().launch == launch_id()
    any_again, *_ = ranks.any(again)
    return replace(ranks.led_by(again if any_again else there), again=any_again)


def train(request: Request, listener: Listener, ranks: Ranks, begins: Callable[[Resolved], None]) -> RunFolder:
    """Run a request to its end in this process and the others of its run; `begins` is called when it is resolved.

    If the launcher has started the processes again, after one of them was lost, the run goes on from its checkpoint.
    """
    if ranks.again and request.out is not None:
        return resume(request.out, listener, callbacks=request.callbacks, ranks=ranks)
    return start(resolve_together(request, listener, ranks, begins), listener)


def resolve_together(
    request: Request, listener: Listener, ranks: Ranks, begins: Callable[[Resolved], None] = lambda resolved: None
) -> Resolved:
    """Check a request in all processes. Raises CardinetError with the findings of all, and what they differ in."""
    with ranks.together():
        resolved = resolve_for(request, listener, ranks)
    with ranks.together():
        _require_same(resolved, ranks)
    for note in resolved.notes:
        listener.said(note)
    begins(resolved)
    return resolved


def resolve_for(request: Request, listener: Listener, ranks: Ranks) -> Resolved:
    """Check a request for these processes, which need not be connected. Raises CardinetError with all findings."""
    findings, resolved = Findings(), None
    with findings:
        if not ranks.alone and request.out is None:
            raise RequestError(
                f"{ranks.count} processes train one run: name its folder with --out, so that they find it if they are "
                "started again."
            )
    with findings:
        resolved = resolve(request, listener, ranks=ranks)
    findings.raise_if_any()
    assert resolved is not None
    return resolved


def _require_same(resolved: Resolved, ranks: Ranks) -> None:
    """Raise RequestError with everything in which the processes differ and would not train one network."""
    task = resolved.task
    settings = flat(task.recipe.model_dump(mode="json", exclude={"machine"}))
    about = {
        **{f"the version of {name}": text for name, text in versions().items()},
        "the code of cardinet": code()[:12],
        "the fingerprint of the pictures": task.source.fingerprint[:12],
        "the precision": task.precision,
        **{f"the setting {name}": str(value) for name, value in settings},
    }
    first, *others = ranks.tell(about)
    differing = [
        f"Process {rank} has another value of {name} than process 0 ({other.get(name, 'none')}, not "
        f"{first.get(name, 'none')}); all have to be the same."
        for rank, other in enumerate(others, 1)
        for name in dict.fromkeys([*first, *other])
        if other.get(name) != first.get(name)
    ]
    if differing:
        raise RequestError(*differing)


def code() -> str:
    """The sha256 of the package's own code."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
