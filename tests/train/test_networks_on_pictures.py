"""What BN or a small picture makes impossible is refused before a run, and what the refusal names works."""

from __future__ import annotations

import re

import pytest
import torch

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.networks.registry import find
from cardinet.train.listener import Listener
from cardinet.train.request import Request, Resolved, resolve

SELECTIVE = ("depths=1,1,1", "spatial=SelectiveKernel(cardinality=4)")


def asked(network: str, *words: str, batch_size: int = 8, accumulate: int = 1) -> Resolved:
    settings = (("data.source", "digits"), ("training.batch_size", batch_size), ("optimizer.accumulate", accumulate))
    return resolve(Request(network=network, settings=settings, assignments=words), Listener())


@pytest.mark.parametrize(
    ("network", "words", "batch_size", "accumulate"),
    [
        ("resnet20_cifar", SELECTIVE, 8, 8),
        ("resnet20_cifar", SELECTIVE, 15, 8),
        ("resnet20_cifar", SELECTIVE, 1, 1),
        ("resnest14d", ("size=64",), 1, 1),
        ("inception_resnet_v1", ("size=75",), 1, 1),
        ("inception_resnet_v1", ("size=107",), 3, 2),
        ("resnet18", ("size=32",), 1, 1),
    ],
)
def test_bn_needs_two_values(network: str, words: tuple[str, ...], batch_size: int, accumulate: int) -> None:
    """Behind a global pool, in the embedding, in a last map of one pixel that valid padding leaves or the strides."""
    with pytest.raises(RequestError, match="BN has no variance over a single value") as caught:
        asked(network, *words, batch_size=batch_size, accumulate=accumulate)
    named = re.search(r"--batch-size (\d+)", str(caught.value))
    assert named is not None
    assert int(named[1]) == 2 * accumulate
    assert ("accumulate" in str(caught.value)) == (accumulate > 1)
    task = asked(network, *words, batch_size=int(named[1]), accumulate=accumulate).task
    side, channels = task.preprocessing.crop, task.preprocessing.channels
    trained = build(task.spec).train()
    assert trained(torch.randn(2, channels, side, side)).isfinite().all()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        trained(torch.randn(1, channels, side, side))


@pytest.mark.parametrize(
    ("network", "words"),
    [("resnet20_cifar", ()), ("alexnet_owt", ("size=63",)), ("sd110_cifar", ("depths=1,1,1", "merge.last=0.01"))],
)
def test_one_picture_is_enough(network: str, words: tuple[str, ...]) -> None:
    """Where a map of four pixels is left, and where a map of one meets no BN."""
    assert asked(network, *words, batch_size=1).task.clock.batch_size == 1


def test_bn_in_a_unit_that_is_skipped_by_chance() -> None:
    """The refusal does not hang on the draw: this unit is closed in nearly every step."""
    words = ("depths=1,1,1", "merge.last=0.0001", "rule=uniform", "size=4")
    for _ in range(3):
        with pytest.raises(RequestError, match="BN has no variance"):
            asked("sd110_cifar", *words, batch_size=1)


@pytest.mark.parametrize(("network", "least"), [("inception_v3", 75), ("alexnet_owt", 63)])
def test_a_picture_that_convolutions_without_padding_use_up(network: str, least: int) -> None:
    """The strides alone (32) would leave one pixel; the side that the refusal names is the smallest that works."""
    stride = find(network).spec.stride
    with pytest.raises(RequestError, match=rf"shrinks pictures of {least - 1} x {least - 1}.*--set size={least}\."):
        asked(network, f"size={least - 1}")
    with pytest.raises(RequestError, match=rf"--set size={least}\."):
        asked(network, f"size={stride}")
    assert asked(network, f"size={least}").task.preprocessing.crop == least
