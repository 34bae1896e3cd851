"""metrics.jsonl of a run folder: one line for each window of steps and for each evaluation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from cardinet.base.documents import DocumentError, parse_json, read_bytes, to_json
from cardinet.base.errors import WorkError
from cardinet.base.files import write_atomic
from cardinet.base.schemas import Count, Document, Seconds, conform

Rate = Annotated[float, Field(ge=0)]


class TrainRow(Document, extra="allow"):
    """A window of steps. `error` and `waiting` (for data) are shares.

    In `error` a mixed picture is of the class with the largest share. With several labels for each picture it is the
    share of wrong decisions about labels, at a probability of 0.5.
    """

    kind: Literal["train"]
    step: Count
    epoch: Rate
    loss: float | None
    error: Rate | None
    lr: Rate | None
    images_per_second: Rate
    waiting: Rate
    seconds: Seconds


class EvaluationRow(Document, extra="allow"):
    """An evaluation. `error` is a share (with several `labels` it is 1 - `mean_average_precision`), `best` says whether
    it is the best so far, `seconds` is its duration.

    If evaluations use an average of the weights, `weights_error`, `weights_wrong` and `weights_loss` are those of the
    weights themselves. `ends` says that the run ends early after it.
    """

    kind: Literal["evaluation"]
    split: str
    step: Count
    epoch: Rate
    count: Count
    wrong: Count
    error: Rate
    loss: float | None
    best: bool = False
    seconds: Seconds = 0.0


Row = Annotated[TrainRow | EvaluationRow, Field(discriminator="kind")]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl as plain data, without a last line that a killed run left unfinished.

    Raises WorkError for a damaged line and names its number.
    """
    rows: list[dict[str, Any]] = []
    try:
        lines = read_bytes(path).split(b"\n")[:-1]
        for line in lines:
            row: TrainRow | EvaluationRow = conform(Row, parse_json(line))
            rows.append(row.model_dump())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror}.") from None
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: in line {len(rows) + 1:,} {error}.") from None
    return rows


class Metrics:
    """The metrics.jsonl of a running training.

    It remembers the written text. If something else changes or removes the file, it writes the file again and calls
    `said` with a sentence. Every method raises WorkError if the disk refuses.
    """

    def __init__(self, path: Path, said: Callable[[str], None] = lambda sentence: None) -> None:
        self.path = path
        self.said = said
        self.text = bytearray(path.read_bytes() if path.exists() else b"")

    def append(self, row: dict[str, Any]) -> None:
        """Add one line."""
        self.keep()
        line = to_json(row).encode() + b"\n"
        try:
            with open(self.path, "ab") as file:
                file.write(line)
        except OSError as error:
            raise self._failed(error) from error
        self.text += line

    def length(self) -> int:
        """The length of the file in bytes, which a checkpoint records after `flush`."""
        self.keep()
        return len(self.text)

    def flush(self) -> None:
        """Flush the file to disk. Another thread may do so while lines are added."""
        try:
            with open(self.path, "r+b") as file:
                os.fsync(file.fileno())
        except FileNotFoundError:
            return  # `keep` writes it again
        except OSError as error:
            raise self._failed(error) from error

    def keep(self) -> None:
        """Write the file again if its length is not that of the written text."""
        if self._size() == len(self.text):
            return
        write_atomic(self.path, bytes(self.text))
        self.said(f"{self.path} was changed or removed by something else; it is written again.")

    def cut(self, length: int) -> None:
        """Cut the file back to the length that a checkpoint records.

        Raises WorkError also if the file is shorter, or if no line ends there.
        """
        if length > len(self.text):
            raise WorkError(f"{self.path} is shorter than its checkpoint says; the run cannot be continued.")
        if length and self.text[length - 1 : length] != b"\n":
            raise WorkError(f"{self.path} is damaged: no line ends at byte {length:,}, where its checkpoint says so.")
        if length == len(self.text):
            return
        try:
            with open(self.path, "r+b") as file:
                file.truncate(length)
        except OSError as error:
            raise self._failed(error) from error
        del self.text[length:]

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def _failed(self, error: OSError) -> WorkError:
        return WorkError(f"{self.path} could not be written: {error.strerror}. Resume the run when it can be written.")
