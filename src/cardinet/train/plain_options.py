"""The options of a training that have words of their own, each with the setting that it sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cardinet.base.option import Option
from cardinet.base.whole_numbers import without_exponent


def _as_it_is(value: Any) -> Any:
    return value


def _epochs(length: Any) -> Any:
    """A number of epochs as a duration; any other value as it is."""
    is_number = isinstance(length, int | float) and not isinstance(length, bool)
    return f"{without_exponent(length)} epochs" if is_number else length


@dataclass(frozen=True, kw_only=True)
class PlainOption(Option):
    """An option that sets the setting `key` to what `value` makes of the given value."""

    key: str
    value: Callable[[Any], Any] = _as_it_is


ROWS = (
    PlainOption(
        name="data",
        type=str,
        metavar="SOURCE",
        help="The pictures: digits, a folder, csv:FILE, parquet:PATH, webdataset:SHARDS, cifar10, ...",
        key="data.source",
    ),
    PlainOption(
        name="epochs",
        type=float,
        metavar="N",
        help="The length of the training.",
        key="training.length",
        value=_epochs,
    ),
    PlainOption(name="device", type=str, metavar="D", help="auto, cpu, cuda or cuda:N.", key="machine.device"),
    PlainOption(name="seed", type=int, metavar="N", help="The seed of all random draws.", key="machine.seed"),
    PlainOption(name="batch_size", type=int, metavar="N", help="The pictures in a step.", key="training.batch_size"),
    PlainOption(name="lr", type=float, metavar="X", help="The learning rate.", key="optimizer.lr"),
    PlainOption(
        name="freeze",
        type=str,
        metavar="LAYERS",
        help="Layers that stay as they are: stem,layer1, or body (all but the head).",
        key="methods.Freeze.layers",
    ),
    PlainOption(
        name="workers", type=int, metavar="N", help="The processes that decode pictures.", key="machine.workers"
    ),
    PlainOption(
        name="on_bad_image",
        type=str,
        metavar="fail|skip",
        help="Stop at a picture that cannot be read, or leave it out.",
        key="data.on_bad_image",
    ),
    PlainOption(
        name="find_batch",
        help="Pass each batch in as few parts as fit into memory, found by trying before the run.",
        key="training.accumulate",
        value=lambda asked: 0,
    ),
)

OPTIONS: Mapping[str, PlainOption] = {option.name: option for option in ROWS}


def as_settings(**options: Any) -> dict[str, Any]:
    """The settings of the options that are given (not None, and no flag that is off), by key."""
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    return {OPTIONS[name].key: OPTIONS[name].value(value) for name, value in given.items()}
