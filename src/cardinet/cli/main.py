"""The entry point: streams, Ctrl-C, and what a user sees of an error.

It imports little at first, so that a Ctrl-C while the verbs are imported is no error either.
"""

from __future__ import annotations

import itertools
import re
import sys
from contextlib import suppress
from typing import Any, NoReturn

from cardinet.base.errors import CardinetError, RequestError, of_the_system
from cardinet.base.side_work import Tell, heard
from cardinet.base.synonyms import option_hint
from cardinet.cli.ctrl_c import Stop, leave
from cardinet.cli.talk import discard, errors, notices, open_streams, say

# An empty argument, alone or after an option. As a path it would mean the current folder.
_EMPTY = re.compile(r"(--[a-z-]+=)?")


def run() -> NoReturn:
    """Run the command line and exit: 0 done, 1 the work failed, 2 the request was wrong, 130 stopped by the user."""
    with Stop() as stop:
        try:
            open_streams()
            code = outcome(sys.argv[1:])
        except BaseException:
            if not stop.asked:
                raise
            # A library or an interrupted import has turned the Ctrl-C into another error.
            errors(["Stopped."])
            code = 130
    if stop.asked:
        leave(code)
    sys.exit(code)


def outcome(words: list[str]) -> int:
    """Run one command and return its exit code. A user's mistake is a sentence on stderr, never a traceback."""
    import typer

    from cardinet.cli.verbs import app

    # typer carries its own click since 0.29; BadParameter -> UsageError -> ClickException holds either way.
    usage_problem: type[Exception] = typer.BadParameter.__mro__[2]
    try:
        if any(_EMPTY.fullmatch(word) for word in words):
            raise RequestError(
                'One of the arguments is empty (""); perhaps a variable of the shell is not set. Omit the argument.'
            )
        with notices(), heard(_side_work()):
            result = app(words, prog_name="cardinet", standalone_mode=False)
        sys.stdout.flush()
        if result == 130:  # how newer versions of typer return from Ctrl-C
            raise KeyboardInterrupt
    except CardinetError as error:
        if error.exit_code == 130:  # stopped by the user, after saving: no error
            say(*error.findings)
        else:
            errors(error.findings)
        return error.exit_code
    except usage_problem as error:
        errors([_usage(error, words)])
        return 2
    except (typer.Abort, KeyboardInterrupt):
        errors(["Stopped."])
        return 130
    except (BrokenPipeError, SystemExit):  # click leaves when the reader of a pipe has gone, as `head` does
        with suppress(OSError):
            sys.stdout.flush()
        discard(sys.stdout)
        return 0
    except (OSError, MemoryError, RuntimeError) as error:
        if (refused := of_the_system(error)) is None:
            raise
        if isinstance(error, OSError):
            discard(sys.stdout)
        errors(refused.findings)
        return refused.exit_code
    return result if isinstance(result, int) else 0


def _side_work() -> Tell:
    """Shows side work as a line of progress, which is removed at its end. Nothing is imported before there is any."""
    line = None

    def tell(what: str, done: int, total: int) -> None:
        nonlocal line
        from cardinet.cli.progress import Line

        line = line or Line()
        line.show(f"{what} {done:,}/{total:,}", done, total)
        if done == total:
            line.clear()

    return tell


def _usage(error: Any, words: list[str]) -> str:
    """The fault of an option or argument in one line, with its value and the way to the help."""
    message = " ".join(error.format_message().split()).replace("Value error, ", "").rstrip(".")
    options = getattr(getattr(error, "param", None), "opts", [])
    if (unknown := getattr(error, "option_name", None)) is not None and error.ctx is not None:
        known = [option for parameter in error.ctx.command.params for option in parameter.opts]
        if hint := option_hint(unknown, known):
            message = f"No such option: {unknown} ({hint})"
    for word, after in itertools.pairwise([*words, ""]):
        head, equals, rest = word.partition("=")
        if head in options and message.startswith("Invalid value"):
            message = f"{head} {rest if equals else after}: {message.partition(': ')[2]}"
            break
    shards = [word for word in words if word.startswith("webdataset:")]
    if len(shards) > 1 and "extra argument" in message:
        message += f": the shell has made {len(shards)} words of one source; put it in quotes, as in 'webdataset:...'"
    from cardinet.cli.verbs import app

    verbs = [str(command.name) for command in app.registered_commands]
    command = f"cardinet {words[0]}" if words[0] in verbs else "cardinet"
    end = "" if message.endswith("?") else "."
    return f"{message}{end} `{command} --help` shows what is possible."
