"""`cardinet.train(...)`: the command `cardinet train` for programs and notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardinet.base.errors import RequestError
from cardinet.python.asked import request_of, shown_by

if TYPE_CHECKING:
    from cardinet.data.kinds.datasets import Given
    from cardinet.report.finished_run import FinishedRun
    from cardinet.train.listener import Listener
    from cardinet.train.methods import Method
    from cardinet.train.request import Request
    from cardinet.train.trackers import Tracker


def train(
    network: str | None = None,
    data: Given | None = None,
    *,
    recipe: str | Path | None = None,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    resume: str | Path | None = None,
    callbacks: Sequence[Method] = (),
    watch: str | Tracker | Sequence[str | Tracker] | None = None,
    listener: Listener | None = None,
    engine: str = "local",
    processes: int | None = None,
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> FinishedRun:
    """Train a network on pictures, or continue a run, as `cardinet train` does; return the finished run.

    Without arguments it trains a small ResNeXt on the embedded digits. `data` is the text of a source, a path, a
    `torch.utils.data.Dataset` of (picture, label), or a mapping of such data sets by split (`cardinet.source` says
    more). `options` are the short options of the command (`epochs`, `lr`, `batch_size`, `seed`, `device`, `freeze`,
    `workers`, `on_bad_image`, `find_batch`) and settings by their last word (`optimizer="AdamW(lr=1e-3)"`,
    `cardinality=8`); `settings` are settings by their whole key (`{"training.clip": 1.0}`). `cardinet settings` lists
    all.

    `resume` is a run folder that is continued bit for bit; beside it only `data`, the new place of its pictures,
    `callbacks`, `watch` and `listener` are allowed. `callbacks` are methods of your own, instances of a subclass of
    `cardinet.train.methods.Method`: what their hooks see and do is part of the run, and what their `state` gives is
    saved. Such a run is resumed with the same callbacks. `listener` gets the events of the run; by default they are
    drawn on stderr, as by the command, also in a notebook.

    `watch` names programs that show runs: "tensorboard", "wandb", "mlflow", "trackio", alone or in a list, with
    settings as in "WandB(project=cats, mode=offline)". They change no bit of a run; if one fails, the training goes on.
    A run that is continued keeps its own unless `watch` is given.

    With `engine="ray"` so many `processes` of Ray train together, by default one for each processor or GPU; `out` is
    then needed, callbacks act in these processes, and `data` must be a text or path.

    Raises RequestError with all faults of the request before any work, WorkError if the work fails, and
    `cardinet.train.interrupt.Interrupted` if the user stops it; what was saved can be resumed.
    """
    from cardinet.data.kinds.datasets import source_text
    from cardinet.engines.choice import RAY, check_engine
    from cardinet.train.trackers import Tracker

    check_engine(engine, processes, work="train")
    source = None if data is None else source_text(data)
    trackers = None if watch is None else (watch,) if isinstance(watch, str | Tracker) else tuple(watch)
    request = replace(
        request_of(network, source, recipe, weights, settings, options),
        out=None if out is None else Path(out),
        command="cardinet.train(...)",
        callbacks=tuple(callbacks),
        watch=trackers or (),
    )
    run = None if resume is None else Path(resume)
    if run is not None:
        others = {"network": network, "recipe": recipe, "out": out, "weights": weights, "settings": settings}
        _require_alone({**others, **options})
    asked = _Asked(request, run, source, trackers)
    return _by_ray(asked, listener, processes) if engine == RAY else _here(asked, listener)


@dataclass(frozen=True)
class _Asked:
    """A new run, or the `run` that is continued on the pictures of a `source` and with `trackers`, None: its own."""

    request: Request
    run: Path | None
    source: str | None
    trackers: tuple[str | Tracker, ...] | None


def _here(asked: _Asked, listener: Listener | None) -> FinishedRun:
    """Train in this process, perhaps as one of several that a launcher has started."""
    from cardinet.report.finished_run import finished
    from cardinet.train import job, processes
    from cardinet.train.listener import Listener

    request, run = asked.request, asked.run
    with (
        processes.connected_for(run or request.out) as ranks,
        shown_by(listener if ranks.leads else Listener()) as shown,
    ):
        if run is not None:
            folder = job.resume(run, shown, asked.source, request.callbacks, ranks, asked.trackers)
        else:
            folder = processes.train(request, shown, ranks, lambda resolved: None)
        return finished(folder, ranks)


def _by_ray(asked: _Asked, listener: Listener | None, count: int | None) -> FinishedRun:
    """Train in other processes. Raises RequestError for pictures that only this program has."""
    from cardinet.report.finished_run import finished
    from cardinet.train.on_ray import resume_on_ray, train_on_ray

    request, run = asked.request, asked.run
    if asked.source is not None and asked.source.startswith("dataset:"):
        raise RequestError(
            'engine="ray" trains in other processes, which do not have the data set of this program; give data as a '
            "text or path that they can read, or omit engine."
        )
    with shown_by(listener) as shown:
        if run is not None:
            folder = resume_on_ray(run, shown, count, asked.source, asked.trackers, request.callbacks)
        else:
            folder = train_on_ray(request, shown, count)
        return finished(folder)


def _require_alone(others: Mapping[str, Any]) -> None:
    """Raise RequestError if something else is asked of a run that is continued."""
    if given := [name for name, value in others.items() if value is not None]:
        raise RequestError(
            f"resume continues the same run to its end; remove {', '.join(given)}. To train on with other settings, "
            "start a new run from its weights: weights=..."
        )
