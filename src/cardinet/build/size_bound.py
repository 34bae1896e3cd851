"""The bound on the size of a network. Modules and parameters are counted while the network is built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from cardinet.base.bounds import LIFT, MODULES, PARAMETERS, bounded
from cardinet.base.errors import RequestError

_OPEN: ContextVar[_Size | None] = ContextVar("size", default=None)


class _Size:
    """The number of modules and parameters that were made so far."""

    def __init__(self) -> None:
        self.modules = 0
        self.parameters = 0

    def add(self, modules: int = 0, parameters: int = 0) -> None:
        """Count more modules or parameters. Raises RequestError above the bound."""
        self.modules += modules
        self.parameters += parameters
        for met, most, noun in ((self.modules, MODULES, "modules"), (self.parameters, PARAMETERS, "parameters")):
            if met > most:
                raise _too_large(f"it has at least {met:,} {noun}, and {most:,} are allowed")


@contextmanager
def within_bounds() -> Iterator[None]:
    """A context that counts the modules and parameters that this thread makes.

    Raises RequestError as soon as there are more than `base.bounds` allows, before memory is full. Raises it also for
    a parameter that no memory could hold.
    """
    hooks: list[Any] = []
    token = _OPEN.set(_Size() if bounded() else None)
    try:
        if bounded():
            hooks.append(register_module_module_registration_hook(_module_made))
            hooks.append(register_module_parameter_registration_hook(_parameter_made))
        yield
    except (RuntimeError, OverflowError, TypeError) as error:
        signs = ("storage size calculation overflowed", "can't allocate memory", "overflow when unpacking long")
        if any(sign in str(error).lower() for sign in signs):
            raise _too_large("one of its parameters is larger than the memory", lift=False) from error
        raise
    finally:
        for hook in hooks:
            hook.remove()
        _OPEN.reset(token)


def check_size(network: nn.Module) -> None:
    """Raise RequestError if a network that was not made in `within_bounds` is larger than the bound."""
    if bounded():
        parameters = sum(parameter.numel() for parameter in network.parameters())
        _Size().add(sum(1 for _ in network.modules()), parameters)


def _module_made(module: nn.Module, name: str, child: nn.Module | None) -> None:
    if child is not None and (size := _OPEN.get()) is not None:  # other threads have their own count
        size.add(modules=1)


def _parameter_made(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
    if (size := _OPEN.get()) is not None:
        size.add(parameters=parameter.numel())


def _too_large(why: str, *, lift: bool = True) -> RequestError:
    return RequestError(
        f"The network is too large: {why}. Reduce its depths, widths, groups or classes{f'; {LIFT}' if lift else ''}."
    )
