"""Sweeps: what is drawn, what is refused before work, what a stopped sweep keeps, and its result and page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cardinet
from cardinet.base.errors import RequestError, WorkError
from cardinet.base.settings import validate
from cardinet.cli.main import outcome
from cardinet.engines.engine import OneProcess
from cardinet.report.sweep_page import page
from cardinet.sweep.job import Request, Result, Watcher, resolve, run
from cardinet.sweep.samplers import Told, sampler
from cardinet.sweep.stopping import RULES
from cardinet.sweep.sweep_file import Stopping, SweepFile, flat, read_sweep
from cardinet.sweep.sweep_folder import Outcome, TrialRecord
from cardinet.train.interrupt import Interrupted

SPACE: dict[str, Any] = {
    "optimizer.lr": {"low": 0.001, "high": 1.0, "log": True},
    "batch_size": [32, 64],
    "optimizer.weight_decay": {"low": 0.0, "high": 1e-3, "step": 5e-4},
    "width": {"low": 4, "high": 16, "whole": True},
    "optimizer": ["SGD(lr=0.1)", "AdamW(lr=1e-3)"],
}


def file_of(**changes: Any) -> SweepFile:
    return validate(SweepFile, {"space": SPACE, "trials": 40, **changes})


def draws(file: SweepFile, told: Sequence[Told] = ()) -> list[dict[str, Any]]:
    draw, count = sampler(file)
    return [draw(number, told) for number in range(count)]


def test_random_draws_are_a_function_of_seed_and_number() -> None:
    found = draws(file_of())
    assert found == draws(file_of())
    assert found[:7] == draws(file_of(trials=7))
    assert found != draws(file_of(seed=1))
    fewer = {key: value for key, value in SPACE.items() if key != "batch_size"}
    assert [one["optimizer.lr"] for one in draws(file_of(space=fewer))] == [one["optimizer.lr"] for one in found]
    rates = [one["optimizer.lr"] for one in found]
    assert all(0.001 <= rate <= 1 and rate == float(f"{rate:.4g}") for rate in rates)
    assert np.log10(rates).mean() == pytest.approx(-1.5, abs=0.5)
    assert {one["optimizer.weight_decay"] for one in found} == {0.0, 5e-4, 1e-3}
    assert {one["batch_size"] for one in found} == {32, 64}
    widths = [one["width"] for one in draws(file_of(trials=400))]
    assert {*widths} == {*range(4, 17)}
    assert all(isinstance(width, int) for width in widths)


def test_a_grid_has_every_point_once() -> None:
    space = {key: value for key, value in SPACE.items() if key != "optimizer.lr"}
    found = draws(file_of(space=space, sampler="grid", trials=None))
    points = [tuple(one.values()) for one in found]
    assert len(points) == len({*points}) == 2 * 3 * 13 * 2
    assert points[:2] == [(32, 0.0, 4, "SGD(lr=0.1)"), (32, 0.0, 4, "AdamW(lr=1e-3)")]
    some = [tuple(one.values()) for one in draws(file_of(space=space, sampler="grid", trials=50))]
    assert len({*some}) == 50
    assert {*some} < {*points}
    assert some != points[:50]


@pytest.mark.parametrize("name", ["TPE", pytest.param("GP", marks=pytest.mark.long)])
def test_samplers_of_optuna_go_where_it_is_better_and_are_functions_of_what_was_told(name: str) -> None:
    space = {"optimizer.lr": SPACE["optimizer.lr"], "optimizer": [*SPACE["optimizer"], ["a", "list"]]}
    draw, count = sampler(file_of(space=space, sampler=name, trials=14))
    told: list[Told] = []
    for number in range(count):
        values = draw(number, told)
        if number in (3, 13):
            assert draw(number, told) == values
        told.append(Told(values, abs(math.log10(values["optimizer.lr"]) + 1.0)))
    last = [one.measure for one in told[-4:]]
    first = [one.measure for one in told[:8]]
    assert np.mean([value for value in last if value is not None]) < np.mean([v for v in first if v is not None])
    running = [*told, Told(told[-1].values, None)]
    assert 0.001 <= draw(count + 1, running)["optimizer.lr"] <= 1


def test_the_rules_that_end_trials() -> None:
    asha, median = Stopping(rule="asha", first=2, reduction=2), Stopping(rule="median", first=2, least=3)
    cases: tuple[tuple[Stopping, int, float, list[float], bool], ...] = (
        (asha, 2, 0.5, [], False),  # the first one goes on
        (asha, 2, 0.5, [0.4], True),
        (asha, 2, 0.3, [0.4], False),
        (asha, 3, 0.9, [0.1, 0.2], False),  # no rung
        (asha, 4, 0.5, [0.1, 0.2, 0.6], True),
        (asha, 4, 0.2, [0.1, 0.5, 0.6], False),
        (asha, 1, 0.9, [0.1, 0.2], False),
        (median, 2, 0.5, [0.1, 0.2], False),  # too few
        (median, 2, 0.5, [0.1, 0.2, 0.9], True),
        (median, 2, 0.2, [0.1, 0.2, 0.9], False),
        (median, 1, 0.9, [0.1, 0.2, 0.3], False),
    )
    for rule, evaluation, own, others, ends in cases:
        assert (RULES[rule.rule](rule, evaluation, own, others) is not None) == ends


TEXT = """
trials = 3
[settings]
training.length = "12 steps"
training.log_every = "6 steps"
training.evaluate_every = "6 steps"
data.limit = 60
machine.threads = 1
machine.workers = 0
[space]
optimizer.lr = {low = 0.01, high = 1.0, log = true}
batch_size = [16, 24]
"""


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    return path


FAULTS = {
    'trials = 3\nsampler = "grid"\n[space]\noptimizer.lr = {low = 0.1, high = 1.0}': "a grid needs steps",
    "trials = 3\n[space]\noptimizer.lr = {low = 1.0, high = 0.1}": "low = 1 is not below high = 0.1",
    "trials = 3\n[space]\noptimizer.rl = [1, 2]": 'There is no setting "optimizer.rl"',
    "trials = 3\n[space]\nbatch_size = [16, -3]": "batch_size = -3",
    "trials = 3\n[space]\nbatch_size = 16": "a fixed value stands in",
    "trials = 3\n[space]\nbatch_size = [16, 16]": "give different values",
    "trials = 3\n[space]\n": "is empty",
    "[space]\nbatch_size = [16]": "trials is missing",
    "trials = 3\n[settings]\nbatch_size = 3\n[space]\nbatch_size = [16]": "given twice",
    'trials = 3\nsampler = "tpe"\n[space]\nbatch_size = [16]': "sampler = 'tpe'",
    "trials = 3\nspase = 4\n[space]\nbatch_size = [16]": 'There is no setting "spase" (nearest: space',
    "trials = [": "it is not TOML",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_wrong_file_is_refused_before_work(text: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(RequestError, match=re.escape(FAULTS[text])) as caught:
        read_sweep(path)[1].raise_if_any()
    assert len(caught.value.findings) == 1


ALL_AT_ONCE = """
trials = 0
sampler = "grid"
wrong = 1
[settings]
data.source = "gone"
training.clip = -1.0
freeze = "layer1"
[space]
optimizer.lr = {low = 1.0, high = 0.1}
optimizer.weight_decay = {low = 0.0, high = 0.1}
batch_size = [16, -3]
depth = [1, 2]
"""
SAID = [
    "trials = 0",
    'no setting "wrong"',
    '"gone"',
    "training.clip = -1",
    "low = 1 is not below high = 0.1",
    "a grid needs steps from 0 to 0.1",
    "batch_size = -3",
    'no setting "depth"',
    "there is no such engine",
    "is no sweep",
]


def test_the_faults_of_a_file_are_found_together(tmp_path: Path) -> None:
    """Its own, those of its values, of its pictures, of the engine and of the folder; each once."""
    path, there = tmp_path / "all.toml", tmp_path / "there"
    path.write_text(ALL_AT_ONCE)
    there.mkdir()
    (there / "mine").touch()
    with pytest.raises(RequestError) as caught:
        resolve(Request(path, there, "dask"))
    for text in SAID:
        assert sum(text in finding for finding in caught.value.findings) == 1, (text, caught.value.findings)
    assert len(caught.value.findings) == len(SAID) + 1, caught.value.findings  # and the short name freeze


def test_wrong_requests_have_all_findings(sweep_file: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").touch()
    sweep_file.write_text(TEXT + "seed = -1")
    with pytest.raises(RequestError) as error:
        resolve(Request(sweep_file, tmp_path / "there", "dask"))
    assert len(error.value.findings) == 3
    sweep_file.write_text(TEXT)
    with pytest.raises(RequestError, match="is no sweep"):
        resolve(Request(sweep_file, tmp_path / "there"))
    sweep_file.write_text(TEXT.replace("data.limit = 60", 'data.source = "gone"'))
    with pytest.raises(RequestError, match='"gone"'):
        resolve(Request(sweep_file, tmp_path / "new"))
    with pytest.raises(RequestError, match="cannot be read"):
        resolve(Request(tmp_path / "none.toml"))
    assert not (tmp_path / "new").exists()


def test_nested_tables_are_keys() -> None:
    nested = {"a": {"b": {"low": 1, "high": 2}, "c.d": [1]}, "e.f": {"high": 3}}
    assert dict(flat(nested)) == {"a.b": {"low": 1, "high": 2}, "a.c.d": [1], "e.f": {"high": 3}}


class StopsIn(Watcher):
    """Stops the sweep in the middle of a trial, as Ctrl-C does."""

    def __init__(self, at: float) -> None:
        self.at = at

    def progress(self, done: float, count: int) -> None:
        if done > self.at:
            raise KeyboardInterrupt


def values_of(result: Result) -> list[tuple[dict[str, Any], str, float | None]]:
    return [(one.record.values, one.state, one.measure) for one in result.outcomes]


@pytest.mark.long
def test_a_stopped_sweep_goes_on_and_ends_as_one_that_was_not(sweep_file: Path, tmp_path: Path) -> None:
    sweep_file.write_text(TEXT.replace("trials = 3", 'trials = 3\nsampler = "TPE"') + '[stopping]\nrule = "asha"')
    whole = run(resolve(Request(sweep_file, tmp_path / "whole")), Watcher(), OneProcess())
    assert len(whole.outcomes) == 3
    assert {one.state for one in whole.outcomes} <= {"finished", "ended early"}
    cut = Request(sweep_file, tmp_path / "cut")
    with pytest.raises(Interrupted, match="The sweep goes on with: cardinet sweep"):
        run(resolve(cut), StopsIn(1.4), OneProcess())
    first = (tmp_path / "cut" / "trials" / "0000" / "run.toml").stat().st_mtime_ns
    assert run(resolve(cut), Watcher(), OneProcess()).to_document() == whole.to_document()
    assert (tmp_path / "cut" / "trials" / "0000" / "run.toml").stat().st_mtime_ns == first
    for number in range(3):
        one, other = (tmp_path / name / "trials" / f"{number:04d}" for name in ("whole", "cut"))
        rows = [
            [(row["step"], row["loss"]) for row in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())]
            for run in (one, other)
        ]
        assert rows[0] == rows[1]
    sweep_file.write_text(sweep_file.read_text().replace("[16, 24]", "[16, 32]"))
    with pytest.raises(RequestError, match=r"begun with another sweep: space = .*\[16, 24\].* there, .*\[16, 32\]"):
        resolve(cut)


def test_a_failing_trial_is_recorded_and_many_in_a_row_end_the_sweep(sweep_file: Path, tmp_path: Path) -> None:
    sweep = resolve(Request(sweep_file, tmp_path / "out"))

    class Fails(OneProcess):
        def each(self, begin: Any, items: Any, heard: Any) -> Iterator[Any]:
            for trial in items:
                yield trial, ("the loss is not a number",)

    with pytest.raises(WorkError, match="The trials 0, 1, 2 failed one after the other"):
        run(sweep, Watcher(), Fails())
    found = sweep.folder.outcomes("error")
    assert [one.state for one in found] == ["failed"] * 3
    result = run(sweep, Watcher(), OneProcess())  # nothing is left to do
    assert result.best is None
    assert "No trial has a result yet" in page("small", result)


def test_the_page_has_every_trial_and_a_line_for_each_with_a_result() -> None:
    states: tuple[tuple[Any, float | None], ...] = (
        ("finished", 0.25),
        ("ended early", 0.5),
        ("failed", None),
        ("finished", 0.125),
    )
    file = file_of(space={**SPACE, "network": ["<b>", "c"]})
    found = draws(file)
    outcomes = tuple(
        Outcome(TrialRecord(number=i, values=found[i], failed=("bad",) if state == "failed" else ()), state, value, 2.0)
        for i, (state, value) in enumerate(states)
    )
    html = page("a & b", Result(file, outcomes, outcomes[3]))
    assert html.count('class="line s') == 3
    assert html.count('class="line s1"') == 1
    assert html.count("stroke-dasharray:3 4") == 1
    assert "Trial 3 is the best" in html
    assert "12.50\u00a0%" in html
    assert html.index(">3</th>") < html.index(">0</th>") < html.index(">1</th>") < html.index(">2</th>")
    assert "<b>," not in html
    assert "&lt;b&gt;" in html
    assert "a &amp; b" in html
    assert "weight_decay" in html


@pytest.mark.long
def test_the_command(sweep_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert outcome(["sweep", str(sweep_file), "--out", str(out), "--dry-run"]) == 0
    assert "3 trials by the sampler random" in capsys.readouterr().err
    assert not out.exists()
    sweep_file.write_text(TEXT.replace("trials = 3", "trials = 2"))
    assert outcome(["sweep", str(sweep_file), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split()[:3] == ["trial", "error", "state"]
    assert said.out.splitlines()[-1] == f"report {out / 'report.html'}"
    assert said.err.count("finished, validation error") == 2
    sweep_file.write_text(TEXT)  # one more
    assert outcome(["sweep", str(sweep_file), "--out", str(out), "--json"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert said.err.count("finished, validation error") == 1
    assert [trial["trial"] for trial in document["trials"]] == [0, 1, 2]
    assert document["best"]["error"] == min(trial["error"] for trial in document["trials"])
    assert json.loads((out / "sweep.json").read_text())["trials"] == document["trials"]


@pytest.mark.long
def test_from_python(sweep_file: Path, tmp_path: Path) -> None:
    sweep_file.write_text(TEXT.replace("trials = 3", "trials = 1"))
    result = cardinet.sweep(sweep_file, out=tmp_path / "out")
    assert [one.state for one in result.outcomes] == ["finished"]
    assert result.best == result.outcomes[0]
    assert (tmp_path / "out" / "report.html").exists()
