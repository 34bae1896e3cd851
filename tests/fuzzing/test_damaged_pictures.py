"""A short form of `proofs/fuzz.py pictures`, and that its undamaged pictures are good ones."""

from __future__ import annotations

from cardinet.data.inspection import inspect
from fuzzing.pictures import LIMIT, run, samples


def test_whole_pictures_are_good() -> None:
    whole = samples()
    assert len(whole) >= 38
    assert {name: [r for r in inspect(data, LIMIT).remarks if r.bad] for name, data in whole.items()} == {
        name: [] for name in whole
    }


def test_inspection_and_reader_agree_on_damaged_pictures() -> None:
    found = run(seed=0, count=800)
    assert found["damages"] == 800
    assert 100 < found["refused"] < 700
    assert (found["mismatches"], found["tracebacks"], found["hangs"]) == (0, 0, 0)
