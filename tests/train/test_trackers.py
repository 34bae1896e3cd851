"""Every tracker has exactly the lines of metrics.jsonl, the settings and the result, also after a crash."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cardinet.runs.folder import RunFolder
from cardinet.runs.results import final_results
from cardinet.train.listener import Listener
from cardinet.train.trackers import Entry, Tracker
from cardinet.train.trackers.mlflow import MLflow
from cardinet.train.trackers.tensorboard import TensorBoard
from cardinet.train.trackers.wandb import WandB
from cardinet.train.trackers.wandb_file import records
from cardinet.train.watching import TRACKERS, entry, tracked, watching
from train.runs_to_compare import DIGITS, train

Values = dict[tuple[str, int], list[float]]
"""By key and step: all values that a tracker has there."""


class Told(Listener):
    """Keeps the sentences for the user."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def said(self, text: str) -> None:
        self.sentences.append(text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {**DIGITS, "threads": 1, "methods.WeightAverage.decay": 0.9, "length": "24 steps", "evaluate_every": 8}
    return train(tmp_path_factory.mktemp("trained") / "run", {**settings, "evaluate_every": "8 steps"}).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunFolder:
    """A copy of a finished run."""
    return RunFolder(Path(shutil.copytree(finished, tmp_path / "run")))


def expected(run: RunFolder) -> Values:
    """What a tracker must have: each number of metrics.jsonl, and of the result, once."""
    found = {(key, e.step): [value] for row in run.rows() for e in [entry(row, 0.0)] for key, value in e.values.items()}
    results = final_results(run.evaluation)
    found[("final/epoch", results.step)] = [results.step / run.record().steps_per_epoch]
    for split, figures in results.figures().items():
        for key, value in figures.items():
            if isinstance(value, int | float):
                found[(f"final/{split}/{key}", results.step)] = [float(value)]
    return found


def tensorboard_has(run: RunFolder, tracker: Tracker) -> tuple[Values, Mapping[str, Any]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.util import tensor_util

    events = EventAccumulator(str(run.path / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    values: Values = {}
    for tag in events.Tags()["tensors"]:
        if tag != "run.toml/text_summary":
            for event in events.Tensors(tag):
                value = tensor_util.make_ndarray(event.tensor_proto).item()
                values.setdefault((tag, event.step), []).append(value)
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    settings = {key: getattr(value, value.WhichOneof("kind")) for key, value in start.items()}
    return values, settings


def wandb_has(run: RunFolder, tracker: Tracker) -> tuple[Values, Mapping[str, Any]]:
    values: Values = {}
    settings: dict[str, Any] = {}
    for path in sorted((run.path / "wandb").glob("offline-run-*/*.wandb")):
        for record in records(path):
            items = {(i.key or i.nested_key[0]): json.loads(i.value_json) for i in record.history.item}
            for key, value in items.items():
                if "/" in key:
                    values.setdefault((key, items["step"]), []).append(value)
            settings |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
    return values, {key: value for key, value in _leaves(settings) if not key.startswith("_wandb")}


def _leaves(tree: Mapping[str, Any], above: str = "") -> Any:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def mlflow_has(run: RunFolder, tracker: Tracker) -> tuple[Values, Mapping[str, Any]]:
    from mlflow.tracking import MlflowClient

    assert isinstance(tracker, MLflow)
    client = MlflowClient(tracker.address)
    experiment = client.get_experiment_by_name("cardinet")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    values: Values = {}
    for key in found.data.metrics:
        for metric in client.get_metric_history(found.info.run_id, key):
            values.setdefault((key, metric.step), []).append(metric.value)
    return values, found.data.params


HAS: dict[str, Callable[[RunFolder, Tracker], tuple[Values, Mapping[str, Any]]]] = {
    "MLflow": mlflow_has,
    "TensorBoard": tensorboard_has,
    "WandB": wandb_has,
}
"""By tracker: what its own reader finds for a run."""
ELSEWHERE = {"Trackio"}
"""Tested by proofs/trackio_rows.py, as it needs another version of Pillow."""
SLOW = ("MLflow", "WandB")
NAMES = [pytest.param(name, marks=pytest.mark.long if name in SLOW else ()) for name in HAS]


def tracker_for(name: str, folder: Path) -> Tracker:
    return {
        "TensorBoard": TensorBoard(),
        "WandB": WandB(mode="offline"),
        "MLflow": MLflow(address=f"sqlite:///{folder / 'mlflow.db'}"),
    }[name]


def test_every_tracker_is_here() -> None:
    assert set(TRACKERS.rows) == {*HAS, *ELSEWHERE}
    assert len(HAS) == 3


def part(run: RunFolder, tracker: Tracker, before: int, until: int | None, lines: list[str]) -> list[str]:
    """A part of the run: it goes on from the first lines, and crashes after others, or ends if `until` is None."""
    told = Told()
    run.metrics.write_text("".join(lines[:before]))
    try:
        with watching([tracker], run, run.record(), told) as watched:
            for line in lines[before:until]:
                with open(run.metrics, "a") as file:
                    file.write(line)
                watched.logged(json.loads(line))
            if until is not None:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert until is not None
    return told.sentences


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_settings_and_results_arrive_once_through_crashes(
    name: str, run: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker = tracker_for(name, run.path)
    lines = run.metrics.read_text().splitlines(keepends=True)
    assert len(lines) == 9
    for before, until in ((0, 5), (3, 7), (4, 6), (6, None), (9, None)):  # each goes on from an older checkpoint
        assert part(run, tracker, before, until, lines) == []
    values, settings = HAS[name](run, tracker)
    assert values == expected(run)
    kept = tracked(run, run.record()).settings
    assert {key: _like(settings[key], value) for key, value in kept.items()} == dict(kept)
    assert settings.keys() == kept.keys()
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def _like(found: Any, value: Any) -> Any:
    """A value that was stored as text, in the type of another one."""
    return found == "True" if isinstance(value, bool) and isinstance(found, str) else type(value)(found)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_is_watched_later_is_sent_whole(name: str, run: RunFolder) -> None:
    tracker = tracker_for(name, run.path)
    told = Told()
    with watching([tracker], run, run.record(), told):
        pass
    assert told.sentences == []
    assert HAS[name](run, tracker)[0] == expected(run)


@pytest.mark.long
def test_weights_and_biases_gets_what_a_killed_process_has_not_written(run: RunFolder) -> None:
    script = f"""
import json, os, signal, time
from pathlib import Path
from cardinet.runs.folder import RunFolder
from cardinet.train.listener import Listener
from cardinet.train.trackers.wandb import WandB
from cardinet.train.watching import watching
run = RunFolder(Path({str(run.path)!r}))
with watching([WandB(mode="offline")], run, run.record(), Listener()) as watched:
    time.sleep(3)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}  # else it joins this process
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, env=alone)
    assert (done.returncode, done.stdout, done.stderr) == (-9, b"", b"")
    assert len(list((run.path / "wandb").glob("offline-run-*"))) == 1
    tracker = WandB(mode="offline")
    told = Told()
    with watching([tracker], run, run.record(), told):
        pass
    assert told.sentences == []
    assert wandb_has(run, tracker)[0] == expected(run)


def test_the_file_of_weights_and_biases_is_read_up_to_where_it_was_cut(tmp_path: Path) -> None:
    """Against a log that this test writes: fragments over several blocks, an empty rest of a block, a cut record."""
    import struct

    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2
    data = bytearray(b":W&B\xe1\xbe\x00")
    texts = [b"a" * 10, b"b" * 70_000, b"c" * 30_000, b"d"]
    for number, text in enumerate(texts):
        record = messages.Record()
        item = record.history.item.add()
        item.key, item.value_json = "_step", str(number)
        record.history.item.add().value_json = text.decode()
        rest, first = record.SerializeToString(), True
        while rest or first:
            room = 32_768 - len(data) % 32_768
            if room < 7:
                data += bytes(room)
                continue
            piece, rest = rest[: room - 7], rest[room - 7 :]
            kind = (1 if first else 4) if not rest else (2 if first else 3)
            data += struct.pack("<IHB", 0, len(piece), kind) + piece
            first = False
    path = tmp_path / "run.wandb"
    for cut, count in ((0, 4), (1, 3), (30_000, 2), (100_000, 1), (len(data), 0)):
        path.write_bytes(bytes(data[: len(data) - cut]))
        found = [json.loads(record.history.item[0].value_json) for record in records(path)]
        assert found == list(range(count))


def test_tensorboard_says_how_a_run_ended(run: RunFolder) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

    lines = run.metrics.read_text().splitlines(keepends=True)
    for until, status in ((4, "STATUS_FAILURE"), (None, "STATUS_SUCCESS")):
        part(run, TensorBoard(), 0, until, lines)
        events = EventAccumulator(str(run.path / "tensorboard"))
        events.Reload()
        content = events.SummaryMetadata("_hparams_/session_end_info").plugin_data.content
        end = plugin_data_pb2.HParamsPluginData.FromString(content).session_end_info
        assert end.status == api_pb2.Status.Value(status)


def test_the_environment_is_as_it_was() -> None:
    from cardinet.train.trackers.mlflow import _silent

    before, level = dict(os.environ), logging.getLogger("mlflow").level
    with _silent():
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert (dict(os.environ), logging.getLogger("mlflow").level) == (before, level)


def test_an_entry_has_every_number_of_its_line() -> None:
    row = {"kind": "evaluation", "split": "validation", "step": 7, "epoch": 0.5, "error": 0.25, "loss": None}
    found = entry({**row, "best": True, "count": 4}, 3.0)
    values = {"validation/epoch": 0.5, "validation/error": 0.25, "validation/best": 1.0, "validation/count": 4.0}
    assert found == Entry("validation", 7, values, 3.0)
