"""Work that needs more memory than there is, is refused before it takes any; what it needs is what torch allocates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

import cardinet
from breadth import breadth
from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.measure import available_memory as available
from cardinet.measure.memory import FORWARD, FORWARD_ROOM, network_bytes
from cardinet.networks.registry import find
from cardinet.rewrite.proof import prove
from cardinet.rewrite.steps import Step, try_steps
from cardinet.runs import memory_checks, model_file
from cardinet.runs.model_file import Model, load_model, save_model
from cardinet.weights import read_file as weights_file
from measure.machine import with_memory

GREY = Preprocessing(channels=1, crop=8, mean=(0.5,), std=(0.5,))


def a_model() -> Model:
    network = cardinet.create("resnet20_cifar", num_classes=10, in_channels=1).eval()
    return Model(network, network.spec, tuple("abcdefghij"), GREY)


def peak(work: Callable[[], Any]) -> int:
    """The most bytes that torch had allocated at once during some work, beside what there was."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        work()
    now = most = 0
    for event in found.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


def test_a_model_file_is_refused_before_its_weights_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, model = tmp_path / "a.safetensors", a_model()
    save_model(file, model)
    needed = network_bytes(model.network)
    with_memory(monkeypatch, tmp_path, needed + 1024)
    assert network_bytes(load_model(file).network) == needed
    with_memory(monkeypatch, tmp_path, needed - 1024)
    with cardinet.no_bounds():
        load_model(file)
    monkeypatch.setattr(model_file, "read_tensors", lambda path, compare: pytest.fail("the tensors were read"))
    with pytest.raises(RequestError, match=r"^The network of .*a\.safetensors needs about 0\.0 GB, and 0\.0 GB of mem"):
        cardinet.load(file)


def test_the_limit_of_a_process_counts_the_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, model = tmp_path / "a.safetensors", a_model()
    save_model(file, model)
    size = file.stat().st_size

    def limit(left: int) -> None:
        monkeypatch.setattr(available, "_process_memory", lambda: iter([left]))

    limit(2 * size - 1)
    with pytest.raises(
        RequestError, match=r"^The file .*a\.safetensors needs about 0\.0 GB, and 0\.0 GB of memory are"
    ):
        load_model(file)
    in_float32 = 4 * size  # of a file in a smaller type
    monkeypatch.setattr(model_file, "network_bytes", lambda network: in_float32)
    limit(size + in_float32 - 1)
    with pytest.raises(RequestError, match=r"^The network of .*a\.safetensors needs about 0\.0 GB, and 0\.0 GB of mem"):
        load_model(file)
    limit(size + in_float32)
    load_model(file)

    def full(path: Path, kind: str) -> None:
        raise RuntimeError(f"unable to mmap 5 bytes from file <{path}>: Cannot allocate memory (12)")

    monkeypatch.setattr(weights_file, "safe_open", full)
    with cardinet.no_bounds(), pytest.raises(MemoryError, match="unable to mmap"):  # and not: it is damaged
        load_model(file)


PROOFS: list[tuple[str, list[Step], int, int]] = [
    ("resnet20_cifar", [Step("fold")], 32, 16),
    ("resnet20_cifar", [Step("widen", {"widths": [64, 128, 256]}), Step("fold")], 16, 2),
    ("resnet20_cifar", [Step("deepen", {"depths": [3, 3, 20]}), Step("classes", {"rows": [0, 1, -1]})], 16, 2),
    ("resnext11_8x16d_digits", [Step("form", {"form": "b"})], 8, 16),
    ("resnet20_cifar", [Step("fold"), Step("unfold")], 32, 16),
]


def test_number_of_proofs() -> None:
    assert len(PROOFS) == 5


@pytest.mark.parametrize(("network", "steps", "side", "batch"), breadth(PROOFS, PROOFS[2]))
def test_a_proof_needs_what_torch_allocates(
    network: str, steps: list[Step], side: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build(find(network).spec.but(num_classes=10)).eval()
    found: list[int] = []
    monkeypatch.setattr(memory_checks, "available_memory", lambda device: 0)
    monkeypatch.setattr(memory_checks, "require_bytes", lambda needed, device, work: found.append(needed))
    memory_checks.require_proof(try_steps(whole, steps), side, batch)
    pixels = torch.randn(batch, whole.spec.in_channels, side, side)

    def proofs() -> None:
        forms: list[nn.Module] = [whole]
        for step in steps:
            forms.append(prove(forms[-1], step, lambda channels: {"random": pixels}, lambda: [pixels]).network)

    needed = found[0] - FORWARD_ROOM * FORWARD
    taken = peak(proofs)
    assert 0.9 * taken < needed < 2 * taken


def test_a_proof_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forms = try_steps(a_model().network, [Step("widen", {"widths": [256, 512, 1024]})])
    with_memory(monkeypatch, tmp_path, 1_000_000_000)
    with pytest.raises(RequestError, match=r"^The proof of these rewrites needs about 2\.\d GB, and 1\.0 GB of mem"):
        memory_checks.require_proof(forms, 8, 16)
    with cardinet.no_bounds():
        memory_checks.require_proof(forms, 8, 16)


def test_a_batch_has_the_precision_of_its_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for dtype in (torch.float16, torch.float32, torch.float64):
        network = a_model().network.to(dtype)
        found[dtype] = memory_checks.batch_memory(network, GREY, 64)
        assert next(network.parameters()).dtype == dtype
        with_memory(monkeypatch, tmp_path, memory_checks.memory_bound(network, GREY.crop, 64))
        with pytest.raises(RequestError, match=r"^Work needs about 0\.\d GB for batches of 64 pictures of 8 x 8 pix"):
            memory_checks.require_batch(network, GREY, 64, "Work")
    half, single, double = found.values()
    assert half == single  # as a CPU computes it in float32
    assert double.fixed - FORWARD_ROOM * FORWARD == pytest.approx(2 * (single.fixed - FORWARD_ROOM * FORWARD), rel=0.01)
    for memory, dtype in ((single, torch.float32), (double, torch.float64)):
        network, pixels = a_model().network.to(dtype), torch.randn(64, 1, 8, 8, dtype=dtype)
        with torch.inference_mode():
            taken = peak(partial(network, pixels))
        assert taken < 64 * memory.per_picture < 1.6 * taken
        assert taken < memory_checks.memory_bound(network, 8, 64)


def test_a_double_network_predicts_only_where_twice_as_much_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = a_model()
    pictures = torch.zeros(512, 1, 8, 8, dtype=torch.uint8)
    monkeypatch.setattr(memory_checks, "memory_bound", lambda network, side, batch: 10**12)
    needed = memory_checks.batch_memory(model.network, GREY, 512).of(512)
    with_memory(monkeypatch, tmp_path, needed + 1024)
    assert len(model.predict(pictures, batch_size=512)) == 512
    model.network.double()
    with pytest.raises(RequestError, match=r"^A prediction needs .* a batch size of \d+ is the largest power of two"):
        model.predict(pictures, batch_size=512)
