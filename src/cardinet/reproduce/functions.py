"""What experiments measure beside the error of a training: values, times, and errors of a changed network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from cardinet.blocks.classifier import Classifier
    from cardinet.data.batches import Batch
    from cardinet.networks.spec import NetworkSpec
    from cardinet.reproduce.trained import Trained

SECONDS, ROUNDS = 60.0, 40
"""The longest time and the most rounds of a timing."""
BATCH, BATCH_OF_TEST = 32, 128
"""The pictures of a timed training step, and of a pass over the test pictures."""


def small_resnext() -> Classifier:
    """A small ResNeXt with drawn BN statistics and parameters."""
    from cardinet.networks.registry import find

    spec = find("resnext50_32x4d").spec
    return drawn_network(spec.but(depths=(1, 1, 1, 1), cardinality=4, widths=(16, 32, 64, 128), num_classes=10))


def drawn_network(spec: NetworkSpec) -> Classifier:
    """A network in eval mode whose weights, BN parameters and BN statistics are drawn from a fixed seed."""
    import torch
    from torch import nn

    from cardinet.build.builder import build

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(spec)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def largest_difference(before: nn.Module, after: nn.Module, side: int = 64) -> float:
    """The largest difference of a logit in float64, as a share of the largest logit, over 8 random pictures."""
    import torch

    from cardinet.rewrite.proof import difference

    pixels = torch.randn(8, 3, side, side, generator=torch.Generator().manual_seed(1))
    return difference(before, after, pixels, torch.float64)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread of the CPU, so that a time depends on no setting of the machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def forward_times(networks: Mapping[str, nn.Module], side: int) -> dict[str, tuple[float, ...]]:
    """The milliseconds of a forward pass on one picture, for each round, with one thread; the networks run in turn."""
    import torch

    from cardinet.measure.timing import time_in_turn

    pixels = torch.randn(1, 3, side, side)
    with torch.inference_mode(), one_thread():
        calls = {name: partial(network.eval(), pixels) for name, network in networks.items()}
        return time_in_turn(calls, seconds=SECONDS, most=ROUNDS)


def step_times(networks: Mapping[str, NetworkSpec]) -> dict[str, tuple[float, ...]]:
    """The milliseconds of a training step (forward and backward) of each network, for each round, at 32 pixels.

    They have one thread; the networks run in turn.
    """
    import torch
    from torch.nn import functional as F

    from cardinet.build.builder import build
    from cardinet.measure.timing import time_in_turn

    pixels, labels = torch.randn(BATCH, 3, 32, 32), torch.arange(BATCH) % 10

    def step(network: nn.Module) -> None:
        network.zero_grad(set_to_none=True)
        F.cross_entropy(network(pixels), labels).backward()

    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(0)
        calls = {name: partial(step, build(spec).train()) for name, spec in networks.items()}
        return time_in_turn(calls, seconds=SECONDS, most=ROUNDS)


def error_of(run: Trained, network: nn.Module, passes: int = 1) -> float:
    """The error of another network on the test pictures of a run, with the run's preprocessing."""
    from cardinet.evaluate.classification import Evaluation, evaluate
    from cardinet.evaluate.evaluation_settings import EvaluationSettings
    from cardinet.runs.run_pictures import open_pictures

    model, source = run.model(), open_pictures(run.folder.record())
    how, test = EvaluationSettings(passes=passes), source.splits["test"]
    found: Evaluation = evaluate(network.eval(), test, model.preprocessing, len(model.classes), how, device=run.device)
    return found.error


def errors_after_deletions(run: Trained) -> list[float]:
    """The test error of a run after the deletion of each single unit that keeps the shape."""
    from cardinet.explain.lesions import measure
    from cardinet.explain.units import editable

    found = editable(run.network())
    changed = [found.deleted([i]) for i, unit in enumerate(found.units) if unit.keeps_shape]
    batches = [(batch.pixels, batch.labels) for batch in batches_of(run, "test")]
    return [variation.as_is.error for variation in measure(found, changed, lambda: batches, None)]


def batches_of(run: Trained, split: str, pictures: int = BATCH_OF_TEST) -> Iterator[Batch]:
    """The pictures of a split of a run, without augmentation, in batches of so many."""
    from cardinet.data.batches import evaluation_batches
    from cardinet.runs.run_pictures import open_pictures

    opened = open_pictures(run.folder.record()).splits[split]
    preprocessing = run.model().preprocessing
    yield from evaluation_batches(opened, preprocessing, batch_size=pictures, workers=0, device=run.device)


def first_test_pictures(run: Trained, pictures: int) -> Batch:
    """The first test pictures of a run."""
    return next(batches_of(run, "test", pictures))
