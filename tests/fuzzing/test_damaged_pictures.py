"""A short form of `proofs/fuzz.py pictures`, and that its undamaged pictures are good ones."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cardinet.data.decode import load_picture
from cardinet.data.inspection import inspect
from fuzzing.pictures import LIMIT, interlaced, run, samples


def test_whole_pictures_are_good() -> None:
    whole = samples()
    assert len(whole) >= 39
    assert {name: [r for r in inspect(data, LIMIT).remarks if r.bad] for name, data in whole.items()} == {
        name: [] for name in whole
    }


def test_inspection_and_reader_agree_on_damaged_pictures() -> None:
    found = run(seed=0, count=800)
    assert found["damages"] == 800
    assert 100 < found["refused"] < 700
    assert (found["mismatches"], found["tracebacks"], found["hangs"]) == (0, 0, 0)


def test_an_interlaced_picture_is_the_one_that_was_stored() -> None:
    for size in ((40, 32), (1, 1), (3, 9)):
        image = Image.effect_noise(size, 90).convert("RGB")
        read = load_picture(interlaced(image), LIMIT)
        assert read.info["interlace"] == 1
        assert np.array_equal(np.asarray(read), np.asarray(image)), size
