"""A short form of `proofs/fuzz.py requests`, and that its requests name every verb, option and setting."""

from __future__ import annotations

import itertools

from fuzzing.drawn_requests import COUNTED, requests, run, slots, verbs


def test_wrong_requests_end_in_words() -> None:
    found = run(seed=5, count=9, trained=False)
    assert (found["requests"], [found[kind] for kind in COUNTED], found["other_codes"]) == (9, [0] * len(COUNTED), 0)
    assert found["exit_2"] >= 5


def test_every_verb_option_and_setting_is_asked_for_before_any_comes_twice() -> None:
    every = list(slots())
    asked = list(itertools.islice(requests(0), len(every)))
    assert asked[:50] == list(itertools.islice(requests(0), 50))
    assert len(every) == len(set(every)) > 450
    for verb, parameters in verbs().items():
        words = {word for request in asked if request[0] == verb for word in request[1:]}
        assert {p.opts[0] for p in parameters.values() if p.opts[0].startswith("-")} - words == set()
    keys = {word.partition("=")[0] for request in asked for word in request if "=" in word}
    assert {slot.key for slot in every if "=" not in slot.key} - keys == set()
    assert {"optimizer.lr", "transform.spatial.cardinality", "network.spec", "pixel_limit"} < keys
