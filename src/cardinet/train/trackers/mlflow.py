"""MLflow, on a server or in a local database."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from cardinet.base.errors import RequestError
from cardinet.base.extras import quiet
from cardinet.remote.reachability import head_request, unreachable
from cardinet.train.trackers import Entry, Status, Tracked, Tracker, Tracking

TAG = "cardinet.run"
"""The tag by which a run that is continued is found again."""
STATES: Mapping[Status, str] = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
PARAMETERS, LETTERS = 100, 6000
"""The most parameters in one call, and letters of a parameter, that MLflow takes."""


class MLflow(Tracker):
    """Logs the values of each line of metrics.jsonl at its step.

    When a run is continued, MLflow is asked for the steps that it has, and gets the others. Those that a crashed run
    had written beyond its checkpoint stay. A run that is continued exactly gives the same values for them, except for
    times.
    """

    address: str | None = None
    """The address of a server or database (http://HOST:5000, sqlite:///FILE); none: the environment's
    MLFLOW_TRACKING_URI, else MLflow's own, which is mlflow.db in the working folder.
    """

    experiment: str = "cardinet"
    """The experiment of the run, which is made if it is not there."""

    name: str | None = None
    """The name of the run; none: that of its folder."""

    NAME: ClassVar[str] = "MLflow"
    LIBRARIES: ClassVar[tuple[str, ...]] = ("mlflow",)
    MODULES: ClassVar[tuple[str, ...]] = ("mlflow.tracking", "mlflow.entities")

    def check(self) -> None:
        super().check()
        address = self.address or os.environ.get("MLFLOW_TRACKING_URI") or ""
        if address.startswith(("http://", "https://")) and (reason := unreachable(head_request(address))):
            raise RequestError(f"--watch MLflow: {address} does not answer ({reason}); start it, or give its address.")

    def load(self) -> None:
        with _silent():
            super().load()

    def open(self, run: Tracked) -> Tracking:
        from mlflow.tracking import MlflowClient

        with _silent():
            return _Run(MlflowClient(tracking_uri=self.address), self.experiment, self.name or run.folder.name, run)


class _Run(Tracking):
    """An open run of MLflow."""

    def __init__(self, client: Any, experiment: str, name: str, run: Tracked) -> None:
        self.client = client
        self.arrived: set[tuple[str, int]] = set()
        known = client.get_experiment_by_name(experiment)
        number = known.experiment_id if known is not None else client.create_experiment(experiment)
        found = client.search_runs([number], filter_string=f"tags.`{TAG}` = '{run.identity}'")
        if found:
            self.id = found[0].info.run_id
            client.update_run(self.id, status="RUNNING")
            self.arrived = {(kind, step) for kind in self._kinds(run) for step in self._steps(kind)}
        else:
            self.id = client.create_run(number, run_name=name, tags={TAG: run.identity}).info.run_id
            self._describe(run)

    def _kinds(self, run: Tracked) -> set[str]:
        return {"train", "final", *run.splits}

    def _steps(self, kind: str) -> Iterator[int]:
        """The steps of the entries of one kind that are there: each has an epoch."""
        for metric in self.client.get_metric_history(self.id, f"{kind}/epoch"):
            yield metric.step

    def _describe(self, run: Tracked) -> None:
        """The settings as parameters."""
        from mlflow.entities import Param

        settings = [Param(key, str(value)[:LETTERS]) for key, value in run.settings.items()]
        for start in range(0, len(settings), PARAMETERS):
            self.client.log_batch(self.id, params=settings[start : start + PARAMETERS])

    def log(self, entry: Entry) -> None:
        if entry.place in self.arrived:
            return
        from mlflow.entities import Metric

        with _silent():
            time = round(1000 * entry.time)
            metrics = [Metric(key, value, time, entry.step) for key, value in entry.values.items()]
            self.client.log_batch(self.id, metrics=metrics)

    def close(self, status: Status) -> None:
        self.client.set_terminated(self.id, STATES[status])


@contextmanager
def _silent() -> Iterator[None]:
    """A context in which MLflow does not talk, and reports no use to its maker, to which the user has not agreed."""
    before = os.environ.get("MLFLOW_DISABLE_TELEMETRY")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        with quiet("mlflow"), quiet("alembic"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            os.environ.pop("MLFLOW_DISABLE_TELEMETRY", None)
