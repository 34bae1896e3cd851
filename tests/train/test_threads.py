"""The number of threads is measured once for a machine and a task, kept, told, and never changed without a word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cardinet.base.documents import parse_json
from cardinet.base.errors import WorkError
from cardinet.train import threads
from cardinet.train.listener import Listener
from cardinet.train.request import Request, resolve
from cardinet.train.task import Task
from cardinet.train.threads import Choice, candidates, fastest, kept_choice, measured, with_threads

DIGITS = {"training.batch_size": 16, "machine.threads": 0, "machine.device": "cpu"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cardinet" / "threads"


@pytest.fixture(scope="module")
def task() -> Task:
    return resolve(Request(settings=tuple(DIGITS.items())), Listener()).task


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks for which a measurement was made; 4 threads are the fastest in it."""
    found: list[Task] = []

    def made(task: Task) -> Choice:
        found.append(task)
        times = {"1": 8.0, "2": 5.0, "4": 3.0}
        return Choice(version=threads.VERSION, measured_for=threads.conditions(task), milliseconds=times, threads=4)

    monkeypatch.setattr(threads, "measured", made)
    return found


def test_a_real_measurement(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "candidates", lambda: [1, 2])
    monkeypatch.setattr(threads, "SECONDS", 0.0)
    before, state = torch.get_num_threads(), torch.get_rng_state()
    choice = measured(task)
    assert choice is not None
    assert choice.milliseconds.keys() == {"1", "2"}
    assert choice.threads == fastest(choice.milliseconds)
    assert torch.get_num_threads() == before  # a run that names its threads is the run that it was before
    assert torch.equal(torch.get_rng_state(), state)


def test_a_hopeless_number_of_threads_does_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "candidates", lambda: [1, 2, 4])
    steps: list[int] = []

    def took(step: object, number: int) -> float:
        steps.append(number)
        return {1: 10.0, 2: 9.0, 4: 40.0}[number]

    monkeypatch.setattr(threads, "_milliseconds", took)
    times = threads._times(lambda: None)
    assert steps[:5] == [1, 1, 2, 2, 4]
    assert times[4] == [40.0]
    assert len(times[1]) == len(times[2]) == 1 + threads.MOST
    assert steps[5:9] == [2, 1, 1, 2]  # the order turns


def test_it_is_measured_once_and_kept(task: Task, asked: list[Task], own_cache: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        chosen = with_threads(task, said.append)
        assert chosen.recipe.machine.threads == 4
        assert replace(chosen, recipe=task.recipe) == task
    assert len(asked) == 1
    (file,) = own_cache.iterdir()
    assert (
        said[0]
        == said[1]
        == (
            "4 threads, as measured: a step took 8 ms with 1, 5 ms with 2, 3 ms with 4. --set threads=N names another "
            f"number; to measure again, remove {file}."
        )
    )
    assert parse_json(file.read_bytes())["threads"] == 4


def test_another_task_is_measured_for_itself(task: Task, asked: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    silent = list[str]().append
    others = [
        replace(task, clock=replace(task.clock, batch_size=8)),
        replace(task, precision="bfloat16"),
        replace(task, spec=task.spec.but(cardinality=4)),
        replace(task, preprocessing=task.preprocessing.model_copy(update={"crop": 16})),
    ]
    for other in [task, *others, task]:
        with_threads(other, silent)
    assert asked == [task, *others]
    monkeypatch.setattr(threads, "versions", lambda: {"torch": "another"})
    with_threads(task, silent)
    monkeypatch.setattr(threads, "hardware", lambda device: {"cpu": "another"})
    with_threads(task, silent)
    assert len(asked) == 7


def test_a_number_that_is_asked_for_is_not_measured(task: Task, asked: list[Task]) -> None:
    named = replace(task, recipe=task.recipe.but("machine", threads=3))
    assert with_threads(named, pytest.fail) is named
    assert kept_choice(named) == (named, "")
    assert asked == []


def test_a_dry_run_measures_nothing(task: Task, asked: list[Task]) -> None:
    same, sentence = kept_choice(task)
    assert (same, asked) == (task, [])
    assert sentence.startswith("The number of threads will be measured when the run starts")
    with_threads(task, lambda sentence: None)
    known, sentence = kept_choice(task)
    assert known.recipe.machine.threads == 4
    assert sentence.startswith("4 threads, as measured")


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 3000, b'{"version": 1, "threads": 100000}', b"\xff\xfe"])
def test_a_damaged_choice_is_made_again(content: bytes, task: Task, asked: list[Task], own_cache: Path) -> None:
    with_threads(task, lambda sentence: None)
    (file,) = own_cache.iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    assert with_threads(task, lambda sentence: None).recipe.machine.threads == 4
    assert len(asked) == 2
    assert file.read_bytes() == good


def test_without_a_cache_it_is_measured_each_time(
    task: Task, asked: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(name: str) -> Path:
        raise WorkError(f"There is no place for {name}.")

    monkeypatch.setattr("cardinet.base.kept_choice.cache_folder", none)
    said: list[str] = []
    for _ in range(2):
        assert with_threads(task, said.append).recipe.machine.threads == 4
    assert len(asked) == 2
    assert said[0].endswith("--set threads=N names another number.")


def test_a_network_without_finite_losses_takes_torch_s_number(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "measured", lambda task: None)
    said: list[str] = []
    assert with_threads(task, said.append).recipe.machine.threads == torch.get_num_threads()
    assert "no step could be measured" in said[0]


@pytest.mark.parametrize(
    ("times", "best"),
    [
        ({"1": 10.0, "2": 9.6}, 1),
        ({"1": 10.0, "2": 9.4}, 2),
        ({"1": 10.0, "2": 20.0, "4": 9.0}, 4),
        ({"1": 10.0, "2": 5.0, "4": 4.9, "16": 4.8}, 2),
    ],
)
def test_the_fewest_threads_that_are_as_fast(times: dict[str, float], best: int) -> None:
    assert fastest(times) == best


def test_candidates_end_with_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, expected in ((1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])):
        monkeypatch.setattr("os.sched_getaffinity", lambda process, cores=cores: set(range(cores)), raising=False)
        assert candidates() == expected
