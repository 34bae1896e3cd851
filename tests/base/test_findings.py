"""Errors that a user can act on: exit codes, all findings together, the nearest names."""

from __future__ import annotations

import pytest

from cardinet.base.errors import EVERY_SETTING, CardinetError, Findings, RequestError, WorkError, nearest, once


def test_exit_codes() -> None:
    assert (RequestError.exit_code, WorkError.exit_code, CardinetError.exit_code) == (2, 1, 1)
    error = RequestError("one", "two")
    assert error.findings == ("one", "two")
    assert str(error) == "one\ntwo"


def test_findings_are_raised_together_and_once() -> None:
    found = Findings()
    for error in (WorkError("disk"), RequestError("name", "value"), WorkError("disk")):
        with found:
            raise error
    assert found
    with pytest.raises(RequestError) as raised:
        found.raise_if_any()
    assert raised.value.findings == ("disk", "name", "value")


def test_the_way_to_all_settings_is_told_once() -> None:
    wrong = (f"a.{EVERY_SETTING}", f"b.{EVERY_SETTING} Or c.", "d.")
    assert once(wrong) == ("a.", f"b.{EVERY_SETTING} Or c.", "d.")
    assert once(("a.", "d.")) == ("a.", "d.")
    assert once(()) == ()
    assert RequestError(*wrong).findings == wrong
    assert str(RequestError(*wrong)).count(EVERY_SETTING) == 1


def test_only_failed_work_is_a_work_error() -> None:
    found = Findings()
    with found:
        raise WorkError("disk")
    with pytest.raises(WorkError, match="disk"):
        found.raise_if_any()


def test_without_findings_nothing_is_raised() -> None:
    found = Findings()
    with found:
        pass
    assert not found
    found.raise_if_any()


def test_other_errors_pass() -> None:
    found = Findings()
    with pytest.raises(ZeroDivisionError), found:
        raise ZeroDivisionError
    assert not found


@pytest.mark.parametrize(
    ("name", "allowed", "hint"),
    [
        ("resnet5", ["resnet50", "vgg"], "nearest: resnet50"),
        ("RESNET50", ["ResNet50", "vgg"], "nearest: ResNet50"),
        ("x", ["alpha", "beta"], "known: alpha, beta"),
        ("x", [], "no similar name"),
        ("x", [f"name{i}" for i in range(13)], "no similar name"),
        ("aa", ["aab", "aac", "aad", "aae"], "nearest: "),
    ],
)
def test_nearest_names(name: str, allowed: list[str], hint: str) -> None:
    found = nearest(name, allowed)
    assert found.startswith(hint)
    assert found.count(",") <= 2
