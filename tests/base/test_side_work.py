"""Side work: its items pass unchanged, and who listens hears of each, and always of the end."""

from __future__ import annotations

import threading

import pytest

from cardinet.base.side_work import counted, heard

Told = list[tuple[str, int, int]]


def test_each_item_is_told_before_its_work_and_the_end_once() -> None:
    told: Told = []
    with heard(lambda *words: told.append(words)):
        taken = [(item, len(told)) for item in counted("reading", iter("abc"), 3)]
    assert taken == [("a", 1), ("b", 2), ("c", 3)]
    assert told == [("reading", 0, 3), ("reading", 1, 3), ("reading", 2, 3), ("reading", 3, 3)]
    assert list(counted("reading", "abc", 3)) == ["a", "b", "c"]  # nobody listens any more
    assert len(told) == 4


@pytest.mark.parametrize("ends", ["break", "error"])
def test_the_end_is_told_however_it_ends(ends: str) -> None:
    told: Told = []

    def work() -> None:
        for item in counted("reading", "abc", 3):
            if item == "b":
                if ends == "break":
                    break
                raise KeyError(item)

    with heard(lambda *words: told.append(words)):
        if ends == "break":
            work()
        else:
            with pytest.raises(KeyError):
                work()
    assert told[-1] == ("reading", 3, 3)
    assert len(told) == 3


def test_nothing_to_do_and_other_threads_are_silent() -> None:
    told: Told = []
    with heard(lambda *words: told.append(words)):
        assert list(counted("reading", (), 0)) == []
        other = threading.Thread(target=lambda: list(counted("reading", "ab", 2)))
        other.start()
        other.join()
    assert told == []
