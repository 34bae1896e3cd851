"""Keep some layers as they are, for the whole run or until the others have learnt: fine-tuning of the head first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from cardinet.base.durations import Duration
from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.train.methods import Conditions, Hooks, Method

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from cardinet.blocks.classifier import Classifier
    from cardinet.data.batches import Batch

BODY = "body"
"""The name of all layers but the head."""


def as_list(value: Any) -> Any:
    """The words of a text, which are separated by commas and may stand in brackets."""
    if not isinstance(value, str):
        return value
    return [word.strip() for word in value.strip().removeprefix("[").removesuffix("]").split(",")]


class Freeze(Method):
    """Neither the parameters nor the running statistics of the frozen layers change.

    Their BN uses its running statistics, as in evaluations; dropout and stochastic depth act as in the other layers.
    """

    layers: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_list)] = (BODY,)
    """The frozen layers: body (all but the head), stem, layer1 and so on, head, or any module by its name, such as
    layer1.0.
    """

    until: Duration | None = None
    """The time at which they begin to be trained too, with a momentum of zero; none: never."""

    def check(self, network: Classifier, conditions: Conditions) -> None:
        findings = Findings()
        with findings:
            if others := [type(method).__name__ for method in conditions.methods if method.rewrites()]:
                raise RequestError(f"Freeze cannot be combined with {others[0]}, which changes every layer.")
        with findings:
            _check_until(self.until, conditions)
        with findings:
            frozen = {id(p) for module in modules_called(network, self.layers) for p in module.parameters()}
            if all(id(p) in frozen for p in network.parameters()):
                raise RequestError(
                    f"Freeze.layers = {', '.join(self.layers)}: nothing would be left to train; freeze fewer layers."
                )
        findings.raise_if_any()

    def notes(self, conditions: Conditions) -> Sequence[str]:
        of_run = " of the run" if self.until is not None and self.until.unit == "%" else ""
        when = "" if self.until is None else f" for {self.until}{of_run}"
        then = "" if self.until is None else "; then all layers are trained"
        return (f"Frozen{when}, parameters and running statistics: {', '.join(self.layers)}{then} (Freeze).",)

    def doubts(self, network: Classifier, drawn: Collection[str]) -> Sequence[str]:
        """Layers that are frozen with random weights learn nothing from any picture."""
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        frozen = [names[id(p)] for module in modules_called(network, self.layers) for p in module.parameters()]
        if not (random := [name for name in frozen if name in drawn]):
            return ()
        which = f"{random[0]} and {len(random) - 1} more are" if random[1:] else f"{random[0]} is"
        at_first = "" if self.until is None else " at first"
        return (
            f"{which} drawn at random and{at_first} frozen, so that the other layers learn from random features: give "
            "trained weights with --weights, or do not freeze these.",
        )

    def untrained(self, network: Classifier) -> Iterator[nn.Parameter]:
        if self.until is None:
            for module in modules_called(network, self.layers):
                yield from module.parameters()

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        until = None if self.until is None else conditions.clock.steps(self.until)
        return Freezing(modules_called(network, self.layers), optimizer, until)


class Freezing(Hooks):
    """Freezes modules before each of the first `until` steps (None: all). It is a function of the step: no state."""

    def __init__(self, modules: Sequence[nn.Module], optimizer: torch.optim.Optimizer, until: int | None) -> None:
        from cardinet.train.training_step import set_apart

        self.until = until
        self.parameters = list({id(p): p for module in modules for p in module.parameters()}.values())
        self.norms = list(_with_statistics(modules))
        set_apart(optimizer, self.parameters)
        if until is None:
            self._freeze(True)

    def see(self, batch: Batch, step: int) -> Batch:
        self._freeze(self.until is None or step < self.until)
        return batch

    def _freeze(self, frozen: bool) -> None:
        for parameter in self.parameters:
            parameter.requires_grad_(not frozen)
        for norm in self.norms:
            norm.train(not frozen)


def _with_statistics(modules: Sequence[nn.Module]) -> Iterator[nn.Module]:
    """The modules that have running statistics."""
    for module in {id(inner): inner for outer in modules for inner in outer.modules()}.values():
        if getattr(module, "running_mean", None) is not None:
            yield module


def modules_called(network: Classifier, names: Sequence[str]) -> list[nn.Module]:
    """The modules of some layers. Raises RequestError with every name that the network does not have."""
    layers = network.layers()
    known: Mapping[str, Sequence[str]] = {
        BODY: [child for name, children in layers.items() if name != "head" for child in children],
        **layers,
    }
    inner = {name: module for name, module in network.named_modules() if name and _learns(module)}
    found: list[nn.Module] = []
    wrong: list[str] = []
    for name in names:
        if name in known:
            found += [network.get_submodule(child) for child in known[name]]
        elif name in inner:
            found.append(inner[name])
        else:
            hint = nearest(name, [*known, *inner])
            wrong.append(
                f'Freeze.layers: the network has no layer "{name}" with parameters ({hint}). Its layers: '
                f"{', '.join(layers)}; body is all but the head."
            )
    if wrong:
        raise RequestError(*wrong)
    return found


def _learns(module: nn.Module) -> bool:
    first: Tensor | None = next(module.parameters(), None)
    return first is not None


def _check_until(until: Duration | None, conditions: Conditions) -> None:
    """Raise RequestError for a time at which the run has not begun, or is over."""
    if until is None:
        return
    step, length = conditions.clock.steps(until), conditions.clock.length
    if not 0 < step < length:
        raise RequestError(
            f'Freeze.until = "{until}" is step {step:,} of {length:,}: give a time within the run, or leave it out to '
            "freeze for the whole run."
        )
