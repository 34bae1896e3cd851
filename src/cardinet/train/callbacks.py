"""Methods of a user's own program: they act in a run as the methods of a recipe do, and no recipe names them."""

from __future__ import annotations

from collections.abc import Sequence

from cardinet.base.errors import Findings, RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.train.methods import Conditions, Method

BEYOND = ("rewrites", "groups", "finish", "fitted", "check_again", "memory", "untrained", "sides")
"""What a run must know when it is resumed or its model is read, and so what only the methods of a recipe can do."""


def names_of(callbacks: Sequence[Method]) -> tuple[str, ...]:
    """The names by which a run records the methods."""
    return tuple(type(callback).__name__ for callback in callbacks)


def check_callbacks(
    callbacks: Sequence[Method], known: Sequence[str], network: Classifier, conditions: Conditions
) -> None:
    """Raise RequestError with every reason why a run cannot use the methods. `known` are those of its recipe."""
    findings = Findings()
    names = names_of(callbacks)
    for name, callback in zip(names, callbacks, strict=True):
        if not isinstance(callback, Method):
            findings.errors.append(
                RequestError(f"callbacks: {name} is no method; give an instance of a subclass of Method.")
            )
            continue
        if names.count(name) > 1 or name in known:
            findings.errors.append(RequestError(f"callbacks: {name} is there twice; give the class another name."))
        if more := [hook for hook in BEYOND if getattr(type(callback), hook) is not getattr(Method, hook)]:
            findings.errors.append(
                RequestError(f"callbacks: {name} has {' and '.join(more)}, which only methods of a recipe can have.")
            )
        if not callback.SELECTS or callback.REPLACES:
            findings.errors.append(
                RequestError(f"callbacks: {name} sets SELECTS or REPLACES, which only methods of a recipe can.")
            )
        with findings:
            callback.check(network, conditions)
    findings.raise_if_any()


def require_same(recorded: Sequence[str], callbacks: Sequence[Method]) -> None:
    """Raise RequestError if a run that is resumed gets other methods than it has recorded."""
    given = names_of(callbacks)
    if tuple(recorded) == given:
        return
    if given:
        own = f"the methods {', '.join(recorded)} of a program" if recorded else "no methods of a program"
        raise RequestError(f"callbacks: the run has {own}, and {', '.join(given)} was given; give the same.")
    raise RequestError(
        f"The run has the methods {', '.join(recorded)} of a program; continue it there: "
        "cardinet.train(resume=..., callbacks=[...])."
    )
