"""The memory that a device still has for this process, and the refusal of work that needs more."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from cardinet.base.bounds import LIFT, bounded
from cardinet.base.errors import RequestError
from cardinet.measure.memory import Memory

SYSTEM = Path("/")
"""The folder that holds /proc and /sys; tests change it."""


def available_memory(device: str) -> int | None:
    """Bytes that can still be allocated on a device; None if the system does not tell.

    On the CPU it is the least of three: the free memory of the machine, the rest below the limits of the control groups
    (containers, versions 1 and 2), and the rest below the limit of the process (ulimit -v).
    """
    if device.startswith("cuda"):
        import torch

        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(
            device
        )  # torch keeps it for later tensors
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    return min([*_machine_memory(), *_control_groups_memory(), *_process_memory()], default=None)


def require_memory(
    memory: Memory, pictures: int, device: str, work: str, size: str, other_ways: Callable[[], str] = str
) -> None:
    """Raise RequestError if work on a batch needs more memory than is available. It names the largest batch that fits.

    `work` names the work ("A training step"), `size` the pictures and their pixels ("batches of 512 ..."). `other_ways`
    gives sentences on other ways to need less; it is called only if they are needed.
    """
    available = available_memory(device) if bounded() else None
    if available is None or memory.of(pictures) <= available:
        return
    most = memory.largest_batch(available)
    fix = f"a batch size of {most} is the largest power of two that fits" if most else "not even one picture fits"
    others = other_ways()
    raise RequestError(
        f"{work} needs about {gigabytes(memory.of(pictures))} for {size}, and {gigabytes(available)} of memory are "
        f"available on {device}; {fix}. {others}{' ' if others else ''}{LIFT}."
    )


def require_bytes(needed: int, device: str, work: str) -> None:
    """Raise RequestError if some work needs more bytes than are available."""
    available = available_memory(device) if bounded() else None
    if available is not None and needed > available:
        raise _refused(work, needed, available, device)


def require_mapping(size: int, work: str) -> None:
    """Raise RequestError if mapping `size` bytes of files exceeds the limit of the process (ulimit -v).

    Only that limit counts the pages of files.
    """
    left = min(_process_memory(), default=None) if bounded() else None
    if left is not None and size > left:
        raise _refused(work, size, left, "cpu")


def require_confusion(classes: int) -> None:
    """Raise RequestError if a confusion matrix, and the figures computed from it, need more memory than there is."""
    require_bytes(3 * 8 * classes**2, "cpu", f"The confusion matrix of {classes:,} classes")


def _refused(work: str, needed: int, available: int, device: str) -> RequestError:
    return RequestError(
        f"{work} needs about {gigabytes(needed)}, and {gigabytes(available)} of memory are available on {device}. "
        f"{LIFT}."
    )


def gigabytes(count: int) -> str:
    """Bytes in words."""
    return f"{count / 1e9:,.1f} GB"


def _machine_memory() -> Iterator[int]:
    for line in _lines(SYSTEM / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _process_memory() -> Iterator[int]:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    sizes = _lines(SYSTEM / "proc/self/statm")
    if limit != resource.RLIM_INFINITY and sizes:
        yield max(0, limit - int(sizes[0].split()[0]) * resource.getpagesize())


def _control_groups_memory() -> Iterator[int]:
    """The rest below the limit of each control group of this process. File pages that can be dropped count as free."""
    for line in _lines(SYSTEM / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, limit, usage = SYSTEM / "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root, limit, usage = SYSTEM / "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        own = root / path.lstrip("/")
        for group in (own, *own.parents):
            if group.is_relative_to(root):
                yield from _control_group_memory(group, limit, usage)


def _control_group_memory(group: Path, limit: str, usage: str) -> Iterator[int]:
    most, used = _number(group / limit), _number(group / usage)
    if most is not None and used is not None and most < 2**62:  # "max" or 2^63 is no limit
        counts = dict(line.split()[:2] for line in _lines(group / "memory.stat"))
        droppable = int(counts.get("total_inactive_file", counts.get("inactive_file", 0)))
        yield max(0, most - used + droppable)


def _number(file: Path) -> int | None:
    with suppress(ValueError, IndexError):
        return int(_lines(file)[0])
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
