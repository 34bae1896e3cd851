"""The memory of work, before any is taken: against what torch has alive, and against what a machine has."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch
from torch import nn

import cardinet
from breadth import breadth
from cardinet.base.errors import RequestError
from cardinet.blocks.recomputation import recomputing
from cardinet.build.builder import build
from cardinet.measure import available_memory as available
from cardinet.measure.available_memory import available_memory, require_bytes, require_confusion, require_memory
from cardinet.measure.memory import STEP, STEP_ROOM, Memory, evaluation_memory, training_memory
from cardinet.networks.registry import NETWORKS, find

FAMILIES = {row.family: row.id for row in reversed(NETWORKS.values())}
GB = 1_000_000_000


def saved_bytes(network: nn.Module, pixels: torch.Tensor) -> int:
    """What a real forward pass on the CPU keeps for the backward pass, each storage once, parameters apart."""
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    storages: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = network(pixels)
    kept = sum(storages.values())
    del logits
    return kept


@pytest.mark.parametrize(
    "network", breadth(["resnet20_cifar", "resnext29_8x64d", "densenet_40_12", "vgg16"], "resnext29_8x64d", "vgg16")
)
def test_activations_are_those_that_a_real_pass_keeps(network: str) -> None:
    spec = find(network).spec.but(num_classes=10)
    torch.manual_seed(0)
    real, side = build(spec).train(), 64 if network == "vgg16" else 32
    kept = saved_bytes(real, torch.randn(4, 3, side, side).to(memory_format=torch.channels_last))
    memory = training_memory(build(spec, device="meta"), side, 3, 4)
    own = 4 * (2 * sum(p.numel() for p in real.parameters()) + sum(b.numel() for b in real.buffers()))
    found, gradients = memory.of(4) / STEP_ROOM - own - STEP, 4 * sum(p.numel() for p in real.parameters())
    assert 0.98 * kept < found < 1.5 * kept + gradients  # of which there are some before all is let go


def test_every_family_is_here() -> None:
    assert len(FAMILIES) == 22


HUGE = {"multiresnet200_k5"}


@pytest.mark.parametrize(
    "network", [pytest.param(id, marks=pytest.mark.long if id in HUGE else ()) for id in FAMILIES.values()]
)
def test_every_family_is_measured(network: str) -> None:
    row = find(network)
    spec = row.spec.but(depths=(1,) * len(row.spec.depths)) if row.family == "Multi-ResNet" else row.spec
    empty, side = build(spec, device="meta"), row.input_size
    state, modes = torch.get_rng_state(), [m.training for m in empty.modules()]
    training = training_memory(empty, side, spec.in_channels, 8)
    evaluation = evaluation_memory(empty, side, spec.in_channels, 8)
    assert 0 < evaluation.per_picture < training.per_picture
    assert 4 * sum(p.numel() for p in empty.parameters()) < evaluation.fixed < training.fixed
    assert torch.equal(state, torch.get_rng_state())  # a run's draws are what they were
    assert modes == [m.training for m in empty.modules()]
    assert all(p.grad is None for p in empty.parameters())


def test_parts_and_bfloat16_and_recomputing_take_less() -> None:
    spec = find("densenet_40_12").spec
    empty = build(spec, device="meta")
    whole = training_memory(empty, 32, 3, 64).of(64)
    assert training_memory(empty, 32, 3, 64, parts=8).of(64) < 0.4 * whole
    assert 0.4 * whole < training_memory(empty, 32, 3, 64, bfloat16=True).of(64) < 0.75 * whole
    assert next(empty.parameters()).dtype == torch.float32
    recomputing(empty)
    assert training_memory(empty, 32, 3, 64).of(64) < 0.8 * whole


def test_no_unit_is_left_out_by_chance() -> None:
    spec = find("sd110_cifar").spec
    empty = build(spec, device="meta")
    found = {training_memory(empty, 32, 3, 4).of(4) for _ in range(4)}
    assert len(found) == 1


@pytest.mark.parametrize(("free", "most"), [(7, 0), (14, 0), (15, 1), (20, 2), (169, 16), (170, 32)])
def test_the_largest_batch(free: int, most: int) -> None:
    memory = Memory(fixed=10, per_picture=5)
    assert memory.largest_batch(free) == most
    assert memory.of(most) <= max(free, 10)


def system(root: Path, cgroup: str, files: dict[str, str]) -> None:
    """A made-up /proc and /sys."""
    for name, text in {"proc/meminfo": "MemFree: 1 kB\nMemAvailable: 8000000 kB\n", "proc/self/cgroup": cgroup}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


V1 = "3:cpuset:/\n4:cpu,memory:/docker/a\n0::/\n"
CASES = {
    "machine": ("", {}, 8_192_000_000),
    "version 2": ("0::/a/b\n", {"a/memory.max": "2000000000", "a/memory.current": "500000000"}, 1_500_000_000),
    "cached files": (
        "0::/a\n",
        {
            "a/memory.max": "2000000000",
            "a/memory.current": "1900000000",
            "a/memory.stat": "file 9\ninactive_file 600000000",
        },
        700_000_000,
    ),
    "no limit": ("0::/a\n", {"a/memory.max": "max", "a/memory.current": "5"}, 8_192_000_000),
    "in a container": ("0::/../..\n", {"memory.max": "3000000000", "memory.current": "0"}, 3_000_000_000),
    "version 1": (
        V1,
        {
            "memory/docker/a/memory.limit_in_bytes": "4000000000",
            "memory/docker/a/memory.usage_in_bytes": "1000000000",
            "memory/docker/a/memory.stat": "inactive_file 1\ntotal_inactive_file 500000000",
        },
        3_500_000_000,
    ),
    "version 1, from within": (
        V1,
        {"memory/memory.limit_in_bytes": "1000000000", "memory/memory.usage_in_bytes": "400000000"},
        600_000_000,
    ),
    "version 1, no limit": (
        V1,
        {"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "4"},
        8_192_000_000,
    ),
    "overdrawn": ("0::/\n", {"memory.max": "10", "memory.current": "20"}, 0),
}


@pytest.mark.parametrize(("cgroup", "files", "expected"), CASES.values(), ids=CASES)
def test_available_memory(
    cgroup: str, files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system(tmp_path, cgroup, files)
    monkeypatch.setattr(available, "SYSTEM", tmp_path)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert available_memory("cpu") == expected


def test_a_limit_of_the_process_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system(tmp_path, "", {})
    (tmp_path / "proc/self/statm").write_text("1000 10 10 1 0 10 0\n")
    monkeypatch.setattr(available, "SYSTEM", tmp_path)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (2 * GB, resource.RLIM_INFINITY))
    assert available_memory("cpu") == 2 * GB - 1000 * resource.getpagesize()


def test_what_torch_keeps_on_a_gpu_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"mem_get_info": (10, 100), "memory_reserved": 7, "memory_allocated": 3}
    for name, number in numbers.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, number=number: number)
    assert available_memory("cuda:0") == 10 + 7 - 3


def test_a_system_that_does_not_say_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "SYSTEM", tmp_path)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert available_memory("cpu") is None
    require_memory(Memory(1, 10**18), 1, "cpu", "Work", "a picture")


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "available_memory", lambda device: 10 * GB)
    memory = Memory(GB, GB // 2)
    require_memory(memory, 18, "cpu", "A step", "batches of 18")
    with pytest.raises(RequestError) as error:
        require_memory(memory, 19, "cpu", "A step", "batches of 19")
    assert str(error.value).startswith(
        "A step needs about 10.5 GB for batches of 19, and 10.0 GB of memory are available on cpu; a batch size of "
        "16 is the largest power of two that fits. --no-bounds lifts this bound"
    )
    with pytest.raises(RequestError, match="not even one picture fits"):
        require_memory(Memory(20 * GB, 1), 1, "cpu", "A step", "batches of 1")
    with pytest.raises(RequestError, match=r"The proof needs about 11\.0 GB, and 10\.0 GB"):
        require_bytes(11 * GB, "cpu", "The proof")
    with pytest.raises(RequestError, match=r"The confusion matrix of 600,000 classes needs about 8,640\.0 GB"):
        require_confusion(600_000)
    require_confusion(20_000)
    with cardinet.no_bounds():
        require_memory(memory, 19, "cpu", "A step", "batches of 19")
        require_bytes(11 * GB, "cpu", "The proof")
