"""EarlyStopping: when it ends a run, and that the run is then finished."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from cardinet.base.errors import RequestError, WorkError
from cardinet.build.builder import build
from cardinet.report.run_report import write_report
from cardinet.train import job
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from cardinet.train.methods.early_stopping import EarlyStopping, Waiting
from cardinet.train.methods.pruning import Pruning
from train.runs_to_compare import differences, train
from train.test_exact_resume import Crash
from train.test_methods import RUNS, SHORT, task_with

EARLY = SHORT | RUNS["EarlyStopping"]
"""Its third evaluation, after step 27 of 50, is the second without an improvement."""


class Heard(Listener):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def said(self, text: str) -> None:
        self.sentences.append(text)


@pytest.mark.parametrize(
    ("patience", "improvement", "errors", "ends"),
    [
        (1, 0.0, [0.5, 0.4, 0.4], 3),  # the same error is no improvement
        (2, 0.0, [0.5, 0.6, 0.45, 0.5, 0.46], 5),  # a lower error begins the count again
        (3, 0.0, [0.5, 0.6, 0.6, 0.4, 0.6, 0.6], None),
        (2, 0.1, [0.5, 0.45, 0.41], 3),  # each is lower, and neither by enough
        (2, 0.1, [0.5, 0.45, 0.35, 0.3, 0.2], None),  # 0.35 is lower by enough than the lowest that counted
        (1, 0.0, [0.0, 0.0], 2),
    ],
)
@pytest.mark.parametrize("broken", [False, True])
def test_when_it_ends(patience: int, improvement: float, errors: list[float], ends: int | None, broken: bool) -> None:
    """Also if the state goes through a checkpoint after each evaluation."""
    method = EarlyStopping(patience=patience, improvement=improvement)
    hooks, found = Waiting(method), None
    for number, error in enumerate(errors, 1):
        reason = hooks.evaluated({"error": error})
        if reason is not None:
            found = number
            who = "the last evaluation has" if patience == 1 else f"the last {patience} evaluations have"
            by = f" by {100 * improvement:g} percentage points" if improvement else ""
            assert reason == f"{who} not improved the validation error of {100 * hooks.lowest.item():.2f} %{by}"
            assert hooks.lowest.item() in errors
            break
        if broken:
            state: dict[str, Tensor] = {name: tensor.clone() for name, tensor in hooks.state().items()}
            hooks = Waiting(method)
            hooks.restore(state)
    assert found == ends


def test_a_run_that_ends_early_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    folder = train(tmp_path / "run", EARLY, heard)
    rows = folder.rows()
    judged = [row for row in rows if row["kind"] == "evaluation"]
    assert [(row["step"], row.get("ends", False)) for row in judged] == [(9, False), (18, False), (27, True)]
    assert rows[-1]["step"] == 27
    (sentence,) = [text for text in heard.sentences if "ends early" in text]
    assert re.fullmatch(
        r"The run ends early, after step 27 of 50: the last 2 evaluations have not improved the validation error of "
        r"\d+\.\d\d % by 50 percentage points\.",
        sentence,
    )
    (note,) = [note for note in folder.record().notes if "EarlyStopping" in note]
    assert note.endswith("its schedule, Cosine, is made for all 50 steps and is then cut short.")
    assert "ended early at step 27 of 50" in write_report(folder).read_text()
    again = Heard()
    before = folder.last.read_bytes()
    resume(folder.path, again)
    assert again.sentences[0].startswith(f"{folder.path} is finished (it ended early, after step 27 of 50).")
    assert folder.last.read_bytes() == before

    def fails(*given: Any, **named: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(job, "finish", fails)  # the process dies after the last step, before the results are written
        with pytest.raises(Crash):
            train(tmp_path / "died", EARLY)
    assert differences(resume(tmp_path / "died", Listener()).path, folder.path) == []


def test_what_it_cannot_work_with_is_found_together() -> None:
    task = task_with("EarlyStopping")
    source = replace(task.source, splits={n: s for n, s in task.source.splits.items() if n != "validation"})
    method = task.recipe.methods["EarlyStopping"]
    conditions = replace(task.conditions, source=source, methods=(method, Pruning(keep_macs=0.9)))
    with pytest.raises(RequestError) as caught:
        method.check(build(task.spec, device="meta"), conditions)
    needs, whole = caught.value.findings
    assert needs.startswith("EarlyStopping needs validation pictures, as test pictures must decide nothing")
    assert whole == "EarlyStopping cannot be combined with Pruning, whose result is that of the whole run."
    for wrong in ("patience=0", "improvement=-0.1", "improvement=1"):
        with pytest.raises(RequestError, match=r"greater than or equal|less than 1"):
            task_with(f"EarlyStopping({wrong})")


@pytest.mark.parametrize(("patience", "can"), [(1, True), (2, True), (3, False)])
def test_a_patience_longer_than_the_run_is_said(patience: int, can: bool) -> None:
    """Evaluations are after steps 18, 36 and 50."""
    task = task_with(f"EarlyStopping(patience={patience})")
    (note,) = task.recipe.methods["EarlyStopping"].notes(task.conditions)
    assert ("cannot end early" not in note) is can


def test_a_state_of_something_else_is_refused() -> None:
    with pytest.raises(WorkError, match="does not have the lowest error of EarlyStopping"):
        Waiting(EarlyStopping()).restore({})
