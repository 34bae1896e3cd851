"""The entry point: the verbs, and what a user sees of an error."""

from __future__ import annotations

import io
import itertools
import re
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

import cardinet
from cardinet.base.errors import CardinetError, RequestError
from cardinet.base.synonyms import option_hint
from cardinet.cli import check_data, evaluate, export, info, listing, plan, predict, push, report, rewrite, train
from cardinet.cli.talk import discard, errors, say

# typer carries its own click since 0.29; BadParameter -> UsageError -> ClickException holds either way.
UsageProblem: type[Exception] = typer.BadParameter.__mro__[2]

# An argument that is empty, alone or behind an option, which as a path would mean the folder we are in.
_EMPTY = re.compile(r"(--[a-z-]+=)?")

app = typer.Typer(
    name="cardinet",
    help="The workbench for residual networks: train, resume, evaluate, predict, count.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(listing.list_networks)
app.command("info")(info.info)
app.command("plan")(plan.plan)
app.command("check-data")(check_data.check_data)
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("rewrite")(rewrite.rewrite)
app.command("export")(export.export)
app.command("report")(report.report)
app.command("push")(push.push)


def _version(asked: bool) -> None:
    if asked:
        print(cardinet.__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """The workbench for residual networks: train, resume, evaluate, predict, count."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def run() -> None:
    """Run the command line and leave with its exit code: 0 done, 1 the work failed, 2 the request was wrong, 130."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may hold what the terminal's encoding has not
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(outcome(sys.argv[1:]))


def outcome(words: list[str]) -> int:
    """Run one command and return its exit code. A user's mistake is a sentence on stderr, never a traceback."""
    try:
        if any(_EMPTY.fullmatch(word) for word in words):
            raise RequestError('One of the arguments is empty (""); was a variable of the shell not set? Leave it out.')
        result = app(words, prog_name="cardinet", standalone_mode=False)
        sys.stdout.flush()
        if result == 130:  # how newer versions of typer return from Ctrl-C
            raise KeyboardInterrupt
    except CardinetError as error:
        if error.exit_code == 130:  # stopped by the user, after saving: no error
            say(str(error))
        else:
            errors(error.findings)
        return error.exit_code
    except UsageProblem as error:
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
    except OSError as error:
        discard(sys.stdout)
        errors([f"{error.filename or 'The output'} could not be read or written: {error.strerror or error}."])
        return 1
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        errors(["There is not enough memory for this; give a smaller --batch-size, or smaller pictures."])
        return 1
    return result if isinstance(result, int) else 0


def _usage(error: Any, words: list[str]) -> str:
    """What is wrong with an option or argument, in one line, with its value and the way to the help."""
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
    verbs = [str(command.name) for command in app.registered_commands]
    command = f"cardinet {words[0]}" if words[0] in verbs else "cardinet"
    end = "" if message.endswith("?") else "."
    return f"{message}{end} `{command} --help` shows what is possible."


def _out_of_memory(error: Exception) -> bool:
    """Whether Python, or torch on the CPU or a GPU, has run out of memory."""
    return isinstance(error, MemoryError) or any(
        sign in f"{type(error).__name__}: {error}" for sign in ("can't allocate memory", "OutOfMemoryError")
    )
