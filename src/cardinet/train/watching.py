"""Tell trackers about a run while it trains. Whatever happens to a tracker, the training goes on unchanged."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from shlex import quote
from typing import Any

from cardinet.base.errors import Findings, RequestError
from cardinet.base.part_text import arguments
from cardinet.base.recipe_parts import Table
from cardinet.base.settings import KEY, validate
from cardinet.remote.reachability import short_reason
from cardinet.runs.folder import RunFolder, RunRecord
from cardinet.runs.recorded_settings import plain_settings
from cardinet.runs.results import Results, read_results
from cardinet.runs.toml_writer import dumps
from cardinet.train.interrupt import Interrupted
from cardinet.train.listener import Listener, Tick
from cardinet.train.trackers import Entry, Status, Tracked, Tracker

TRACKERS = Table(Tracker, "cardinet.train.trackers", "tracker")
PATIENCE = 75.0
"""The most seconds that the end of a run waits for a tracker."""


def trackers_of(asked: Sequence[str | Tracker]) -> tuple[Tracker, ...]:
    """Trackers from text: `tensorboard`, `WandB(project=cats, mode=offline)`. The case of the name does not matter.

    The word none gives none. Raises RequestError with all findings, also those of `Tracker.check`.
    """
    findings, found = Findings(), list[Tracker]()
    words = [word for text in asked if isinstance(text, str) for word in arguments(text)]
    for item in [*words, *(item for item in asked if not isinstance(item, str))]:
        if isinstance(item, str) and item.lower() == "none":
            continue
        with findings:
            tracker = item if isinstance(item, Tracker) else _tracker(TRACKERS.document(_as_named(item)))
            if type(tracker) in map(type, found):
                raise RequestError(f"--watch {type(tracker).__name__} is given twice; give it once.")
            found.append(tracker)
            tracker.check()
    findings.raise_if_any()
    return tuple(found)


def _as_named(text: Any) -> Any:
    """The text of a tracker, with its name as the table has it."""
    name, bracket, rest = str(text).partition("(")
    known = {row.lower(): row for row in TRACKERS.rows}
    return f"{known.get(name.strip().lower(), name.strip())}{bracket}{rest}"


def _tracker(document: Any) -> Tracker:
    """The tracker of a document. Raises RequestError if it describes none."""
    TRACKERS.check_name(document)
    name = document[KEY]
    settings = {key: value for key, value in document.items() if key != KEY}
    return validate(TRACKERS.rows[name], settings, f"--watch {name}: ")


def to_documents(trackers: Sequence[Tracker]) -> tuple[dict[str, Any], ...]:
    """Trackers as run.toml records them."""
    return tuple({KEY: type(tracker).__name__, **tracker.documented()} for tracker in trackers)


def recorded(record: RunRecord, said: Callable[[str], None]) -> tuple[Tracker, ...]:
    """The trackers of a run that is continued. One that this machine cannot use is left out, and `said` gets why."""
    found = []
    for document in record.watch:
        try:
            tracker = _tracker(document)
            tracker.check()
        except RequestError as error:
            said(f"The run is continued without one of its trackers. {' '.join(error.findings)}")
        else:
            found.append(tracker)
    return tuple(found)


@contextmanager
def watching(
    trackers: Sequence[Tracker], folder: RunFolder, record: RunRecord, listener: Listener
) -> Iterator[Listener]:
    """A listener that tells the trackers too. They get the lines of metrics.jsonl that are there, then the new ones."""
    if not trackers:
        yield listener
        return
    run, before = tracked(folder, record), entries_before(folder, record)
    again = f"cardinet train --resume {quote(str(folder.path))} --watch "
    watched = _Watched(listener, [_Feed(tracker, run, before) for tracker in trackers], again)
    status: Status = "failed"
    try:
        yield watched
        status = "finished"
        results = read_results(folder.evaluation)
        if results is not None:
            watched.pass_on(_final(results, record, time.time()))
    except (Interrupted, KeyboardInterrupt):
        status = "stopped"
        raise
    finally:
        watched.close(status)


def tracked(folder: RunFolder, record: RunRecord) -> Tracked:
    """A run as trackers know it."""
    about = [record.created, record.launch, record.command, record.fingerprint, dumps(_lasting(record))]
    return Tracked(
        identity=hashlib.sha256("\n".join(about).encode()).hexdigest()[:16],
        folder=folder.path.resolve(),
        settings=plain_settings(record),
        described=dumps(record.model_dump(mode="json", exclude={"watch"})),
        splits=tuple(record.pictures),
    )


def entries_before(folder: RunFolder, record: RunRecord) -> list[Entry]:
    """The lines that metrics.jsonl has already, each at the time that the run would have reached without a stop."""
    started = datetime.fromisoformat(record.created).timestamp()
    found, seconds = [], 0.0
    for row in folder.rows():
        seconds = row["seconds"] if row["kind"] == "train" else seconds
        found.append(entry(row, started + seconds))
    return found


def _lasting(record: RunRecord) -> Mapping[str, Any]:
    """The recipe without the place of the pictures, which may move."""
    return {name: value for name, value in record.recipe.items() if name != "data"}


def entry(row: Mapping[str, Any], when: float) -> Entry:
    """A line of metrics.jsonl for trackers: all of its numbers, and truth as 1 or 0."""
    kind = "train" if row["kind"] == "train" else str(row["split"])
    values = {f"{kind}/{key}": float(value) for key, value in row.items() if _counts(key, value)}
    return Entry(kind, int(row["step"]), values, when)


def _counts(key: str, value: Any) -> bool:
    return key != "step" and isinstance(value, int | float)


def _final(results: Results, record: RunRecord, when: float) -> Entry:
    """The final result: the figures of the kept model by split, and its epoch."""
    values = {"final/epoch": results.step / record.steps_per_epoch}
    for split, figures in results.figures().items():
        values |= {f"final/{split}/{key}": float(value) for key, value in figures.items() if _counts(key, value)}
    return Entry("final", int(results.step), values, when)


class _Feed:
    """One tracker and the thread in which it works, so that the training never waits for it."""

    def __init__(self, tracker: Tracker, run: Tracked, before: Sequence[Entry]) -> None:
        self.tracker = tracker
        self.failure: str | None = None
        self.told = False
        self.queue: queue.SimpleQueue[Entry | Status] = queue.SimpleQueue()
        for earlier in before:
            self.queue.put(earlier)
        try:
            tracker.load()
        except Exception as error:  # a library that is installed but broken
            self.failure = short_reason(error)
        self.thread = threading.Thread(target=self._work, args=(run,), name=tracker.NAME, daemon=True)
        self.thread.start()

    def _work(self, run: Tracked) -> None:
        """Take entries until the end of the run, or until the tracker fails."""
        if self.failure is not None:
            return
        try:
            tracking = self.tracker.open(run)
            while isinstance(item := self.queue.get(), Entry):
                tracking.log(item)
            tracking.close(item)
        except (Exception, SystemExit) as error:  # whatever a library raises, and one that wants to end the program
            self.failure = short_reason(error)

    def unsaid(self) -> str | None:
        """Why the tracker has failed, once."""
        if self.failure is None or self.told:
            return None
        self.told = True
        return f"{self.tracker.NAME} has failed ({self.failure}) and gets no more of this run"

    def close(self, status: Status, until: float) -> str | None:
        """Pass the end on and wait for the tracker. Return a sentence if not everything has arrived."""
        self.queue.put(status)
        self.thread.join(max(0.0, until - time.monotonic()))
        if self.thread.is_alive():
            return f"{self.tracker.NAME} has not taken everything in {PATIENCE:g} seconds"
        return self.unsaid()


class _Watched(Listener):
    """Passes every event on to the user's listener, and the lines of metrics.jsonl to the trackers too."""

    def __init__(self, listener: Listener, feeds: Sequence[_Feed], again: str) -> None:
        self.listener = listener
        self.feeds = feeds
        self.again = again

    def said(self, text: str) -> None:
        self.listener.said(text)

    def progress(self, what: str, done: int, total: int) -> None:
        self.listener.progress(what, done, total)

    def stepped(self, tick: Tick) -> None:
        self.listener.stepped(tick)

    def logged(self, row: dict[str, Any]) -> None:
        self.listener.logged(row)
        self.pass_on(entry(row, time.time()))

    def pass_on(self, item: Entry) -> None:
        for feed in self.feeds:
            if (sentence := feed.unsaid()) is not None:
                self.listener.said(f"{sentence}; the training goes on, and metrics.jsonl has every line.")
            feed.queue.put(item)

    def close(self, status: Status) -> None:
        until = time.monotonic() + PATIENCE
        for feed in self.feeds:
            if (sentence := feed.close(status, until)) is not None:
                name = type(feed.tracker).__name__
                self.listener.said(f"{sentence}; metrics.jsonl has every line. Send the rest with: {self.again}{name}")
