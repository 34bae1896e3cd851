"""Progress: a bar on a terminal, plain lines elsewhere. It uses no thread."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cardinet.base.amounts import amount
from cardinet.base.side_work import heard
from cardinet.base.terminal_text import visible
from cardinet.cli.talk import draw, duration, say
from cardinet.runs.figure_words import measure_words
from cardinet.train.listener import Listener, Tick

LIVE_SECONDS = 0.1
PLAIN_SECONDS = 5.0


class Line:
    """A line at the bottom of a terminal or of a notebook's cell that is overwritten; else an occasional plain line.

    A notebook knows no sequence that erases a line, so it gets spaces.
    """

    def __init__(self) -> None:
        self.notebook = type(sys.stderr).__module__.startswith("ipykernel")
        self.live = self.notebook or sys.stderr.isatty()
        self.blocks = has_blocks(sys.stderr.encoding)
        self.written = time.monotonic() - (LIVE_SECONDS if self.live else 0.0)
        self.open = False

    def show(self, text: str, done: int, total: int) -> None:
        """Show the state, but not too often for a reader; on a wide terminal with a bar."""
        now = time.monotonic()
        if now - self.written < (LIVE_SECONDS if self.live else PLAIN_SECONDS):
            return
        self.written = now
        if not self.live:
            say(text)
            return
        width = shutil.get_terminal_size((100, 24)).columns - 1
        room = min(24, width - len(text) - 2)
        drawn = f"{bar(done, total, room, blocks=self.blocks)}  {text}" if room >= 8 else text
        draw(self._erased(width) + visible(drawn)[:width])
        self.open = True

    def clear(self) -> None:
        """Remove the line, so that a sentence can be printed."""
        if self.open:
            draw(self._erased(shutil.get_terminal_size((100, 24)).columns - 1))
            self.open = False

    def _erased(self, width: int) -> str:
        """What erases the line that is there."""
        return f"\r{' ' * width}\r" if self.notebook else "\r\x1b[2K"


def bar(done: int, total: int, width: int, *, blocks: bool = True) -> str:
    """A bar of eighths of a block: ██████▌         . Without blocks, which ASCII lacks: ######          ."""
    if not blocks:
        return ("#" * min(width, width * done // max(1, total))).ljust(width)
    eighths = min(8 * width, round(8 * width * done / max(1, total)))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


def has_blocks(encoding: str | None) -> bool:
    """Whether the encoding of a terminal has the characters of a bar; an unknown one is assumed to."""
    try:
        "█▏▎▍▌▋▊▉".encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class Bar:
    """The progress of a side task, as a callback (done, total) that draws; removed at its end."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.line = Line()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        self.line.clear()

    def __call__(self, done: int, total: int) -> None:
        self.line.show(f"{self.what} {done:,}/{total:,}", done, total)


class Phases:
    """The progress of a task with several parts, as a callback (what, done, total) that draws; removed at its end."""

    def __init__(self) -> None:
        self.line = Line()

    def __enter__(self) -> Phases:
        return self

    def __exit__(self, *error: object) -> None:
        self.line.clear()

    def __call__(self, what: str, done: int, total: int) -> None:
        self.line.show(f"{what} {done:,}/{total:,}", done, total)


class Screen(Listener):
    """Shows a training run on stderr."""

    def __init__(self) -> None:
        self.line = Line()

    def said(self, text: str) -> None:
        self.line.clear()
        say(text)

    def progress(self, what: str, done: int, total: int) -> None:
        self.line.show(f"{what} {done:,}/{total:,}", done, total)

    def stepped(self, tick: Tick) -> None:
        self.line.show(
            f"{100 * tick.step // tick.length:3} %  step {tick.step:,}/{tick.length:,}  epoch {tick.epoch:.1f}  "
            f"loss {tick.loss:.3f}  {tick.images_per_second:,.0f} img/s  {duration(tick.seconds_left)} left",
            tick.step,
            tick.length,
        )

    def logged(self, row: dict[str, Any]) -> None:
        if row["kind"] != "evaluation":
            return
        mark = "  best" if row["best"] else ""
        if "weights_error" in row:
            alone = {name.removeprefix("weights_"): value for name, value in row.items() if name.startswith("weights_")}
            mark = f"  weights themselves {measure_words({**row, **alone})[1]:>8}{mark}"
        name, value = measure_words(row)
        self.said(
            f"epoch {row['epoch']:6.1f}  {row['split']} {name} {value:>8}  loss {row['loss']:.4f}  "
            f"({amount(row['count'], 'picture')}){mark}"
        )

    def close(self) -> None:
        self.line.clear()


@contextmanager
def screen(speaks: bool) -> Iterator[Listener]:
    """A screen until the end of a run, or a silent listener in a process that does not speak."""
    if not speaks:
        yield Listener()
        return
    shown = Screen()
    try:
        with heard(shown.progress):
            yield shown
    finally:
        shown.close()
