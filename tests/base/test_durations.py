"""Durations: every unit converts in one place, texts read back exactly, everything else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from cardinet.base.durations import Duration
from cardinet.base.errors import RequestError

UNITS = st.sampled_from(["steps", "epochs", "examples", "%"])


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("40 epochs", 4000),
        ("1 epoch", 100),
        ("2.5epochs", 250),
        ("64000 steps", 64000),
        (" 1  step ", 1),
        ("1e6 examples", 7812),
        ("1.5e3 examples", 12),
        ("50 %", 150),
        ("12.5 percent", 38),
        ("0 epochs", 0),
    ],
)
def test_conversion_to_steps(text: str, steps: int) -> None:
    assert Duration(text).steps(steps_per_epoch=100, batch_size=128, whole=300) == steps


@given(st.floats(0, 1e15) | st.integers(0, 10**12), UNITS)
def test_text_reads_back_exactly(amount: float, unit: str) -> None:
    from decimal import Decimal

    text = f"{Decimal(repr(amount)):f} {unit}"
    duration = Duration(text)
    assert duration.amount == amount
    again = Duration(str(duration))
    assert again == duration
    assert hash(again) == hash(duration)
    assert eval(repr(duration), {"Duration": Duration}) == duration  # noqa: S307 - our own repr


@given(st.integers(1, 10**6), st.integers(1, 5000), st.integers(1, 4096))
def test_units_agree(epochs: int, steps_per_epoch: int, batch_size: int) -> None:
    amounts = (
        f"{epochs} epochs",
        f"{epochs * steps_per_epoch} steps",
        f"{epochs * steps_per_epoch * batch_size} examples",
    )
    found = {Duration(t).steps(steps_per_epoch=steps_per_epoch, batch_size=batch_size) for t in amounts}
    assert found == {epochs * steps_per_epoch}


REFUSED = ["", "40", "epochs", "-1 epochs", "40 weeks", "40 epochs 3 steps", "nan steps", "1e-3 steps", "1e999 steps"]


def test_number_of_refusals() -> None:
    assert len(REFUSED) == 9


@pytest.mark.parametrize("text", REFUSED)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|is too long"):
        Duration(text)


def test_percent_needs_a_whole() -> None:
    with pytest.raises(RequestError, match="cannot be a part of itself"):
        Duration("50 %").steps(steps_per_epoch=1, batch_size=1)


def test_settings_read_and_write_durations() -> None:
    class Schedule(BaseModel):
        length: Duration

    assert Schedule(length="1234567 steps").model_dump() == {"length": "1234567 steps"}
    assert Schedule(length=Duration("2 epochs")).length == Duration("2 epochs")
    with pytest.raises(ValidationError, match='40 has no unit; write "40 epochs" or "40 steps"'):
        Schedule(length=40)
    with pytest.raises(ValidationError, match="is not a duration"):
        Schedule(length="soon")


def test_one_of_each_in_words() -> None:
    texts = [str(Duration(f"1 {unit}")) for unit in ("steps", "epochs", "examples", "%")]
    assert texts == ["1 step", "1 epoch", "1 example", "1 %"]
    assert str(Duration("1.5 epochs")) == "1.5 epochs"
