"""A contest: who is compared, left out and timed, and in which order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import contenders_for_tests as cases
from cardinet.bench.contest import Contest, Entry, checked, hold
from cardinet.bench.work import Subject, Unable, Work
from cardinet.measure.timing import rounds_in_turn
from cardinet.runtimes.agreement import TOLERANCE, difference

WORK = Work("inference", "float32", 2, 1)
TIMES = {"a": (10.0, 12.0, 11.0, 30.0, 10.0), "b": (20.0, 24.0, 22.0, 30.0, 20.0), "c": (5.0, 60.0, 60.0, 60.0, 60.0)}


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    pixels = np.random.default_rng(0).normal(size=(4, 3, 5, 5)).astype(np.float32)
    np.save(tmp_path / "pixels.npy", pixels)
    return Subject(tmp_path, "sums", 5, 3, 3)


def test_every_round_runs_each_contender_once_and_the_order_turns() -> None:
    order: list[str] = []

    def turn(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = rounds_in_turn({name: lambda name=name: turn(name) for name in "ABC"}, seconds=0, most=9, least=3)  # type: ignore[misc]
    assert "".join(order) == "ABCCBAABC"
    assert found == {"A": (1.0, 6.0, 7.0), "B": (2.0, 5.0, 8.0), "C": (3.0, 4.0, 9.0)}


def test_statistics_of_given_times() -> None:
    entries = [Entry(name, "", 0.0, 2_000_000) for name in TIMES]
    contest = Contest(WORK, TIMES, entries, {"d": "it is not installed"}, floor=5.5)
    assert contest.best_other("b") == "a"
    assert contest.best_other("a") == "b"
    against = contest.against_best("a")
    assert against is not None
    assert (against[0], against[1]) == ("b", 2.0)  # the ratios of the rounds are 2, 2, 2, 1 and 2
    assert against[2] == (1.5, 2.0)
    assert contest.images_per_second("a") == pytest.approx(2 / 0.011)
    assert contest.share("a") == pytest.approx(0.5)
    found = contest.to_document()
    first = found["entries"][0]
    assert first["milliseconds"] == 11.0
    assert first["quartiles"] == [10.0, 21.0]
    assert found["left_out"] == [{"contender": "d", "reason": "it is not installed"}]
    assert found["rounds"] == 5


def test_one_contender_alone_is_compared_with_none() -> None:
    contest = Contest(WORK, {"a": (1.0, 2.0)}, [Entry("a", "", 0.0, None)])
    assert contest.against_best("a") is None
    assert "against_best_other" not in contest.to_document()["entries"][0]


def test_the_difference_is_a_share_of_the_spread_and_not_of_the_size() -> None:
    exact = np.array([[101.0, 99.0], [99.0, 101.0]], np.float32)
    assert difference(exact + 0.5, exact) == pytest.approx(0.5)
    assert difference(np.array([2.2], np.float32), np.array([2.0], np.float32)) == pytest.approx(0.1)


@pytest.mark.parametrize("precision", TOLERANCE)
def test_answers_that_differ_more_than_the_precision_explains_are_refused(precision: str) -> None:
    exact = np.array([[1.0, -1.0], [-1.0, 1.0]], np.float32)
    assert checked(exact * (1 + 0.9 * TOLERANCE[precision]), exact, precision) > 0
    with pytest.raises(Unable, match="its answers differ"):
        checked(exact * (1 + 1.1 * TOLERANCE[precision]), exact, precision)


def reasons() -> dict[type[cases.Right], str]:
    return {
        cases.Wrong: "its answers differ from the network's by ",
        cases.NotANumber: "its answers differ from the network's by nan",
        cases.OfAnotherShape: "it gives answers of shape (2, 1), and the network (2, 3)",
        cases.Missing: 'no_such_library is not installed: pip install "cardinet[export]"',
        cases.OnlyBfloat16: "it has no float32",
        cases.Refuses: "it has no such network",
        cases.Breaks: "ZeroDivisionError: first line",
        cases.Dies: "its process ended with exit code 7",
        cases.FailsLater: "RuntimeError: it is tired",
    }


@pytest.mark.long
def test_whoever_cannot_do_the_work_is_named_and_not_timed(subject: Subject) -> None:
    expected = reasons()
    assert len(expected) == 9
    reference = (2 * subject.pixels(2).astype(np.float64).sum((2, 3))).astype(np.float32)
    rivals = [cases.Right(), cases.AlsoRight(), *(kind() for kind in expected)]
    found = hold(rivals, subject, WORK, reference, seconds=0.01)
    assert set(found.times) == {"right", "also-right"}
    assert {len(times) for times in found.times.values()} == {found.latency.rounds}
    assert found.latency.rounds >= 5
    assert set(found.left_out) == {kind.name for kind in expected}
    for kind, reason in expected.items():
        assert found.left_out[kind.name].startswith(reason), found.left_out
    assert [entry.contender for entry in found.entries] == ["right", "also-right"]


@pytest.mark.long
def test_a_cold_start_is_a_new_process_each_time(subject: Subject) -> None:
    reference = (2 * subject.pixels(1).astype(np.float64).sum((2, 3))).astype(np.float32)
    found = hold([cases.Right()], subject, Work("start", "float32", 1, 1), reference, seconds=0.01)
    assert len(found.times["right"]) == 3
