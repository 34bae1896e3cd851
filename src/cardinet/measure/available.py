"""How much memory a device still has for this process, and the refusal of work that needs more."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cardinet.base.bounds import LIFT, bounded
from cardinet.base.errors import RequestError
from cardinet.measure.memory import Memory

SYSTEM = Path("/")
"""Where /proc and /sys are."""


def available_memory(device: str) -> int | None:
    """Bytes that can still be allocated on a device; None where the system does not say.

    On the CPU that is the least of what the machine has, what the limits of its control groups (containers, versions 1
    and 2) leave, and what the limit of the process (ulimit -v) leaves.
    """
    if device.startswith("cuda"):
        import torch

        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, for what comes next
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    return min([*_of_machine(), *_of_groups(), *_of_process()], default=None)


def require_memory(memory: Memory, pictures: int, device: str, work: str, size: str) -> None:
    """Raise RequestError where some work on a batch needs more memory than there is, with the largest that fits.

    `work` is what is done ("A training step"), `size` the pictures and their pixels ("batches of 512 ...").
    """
    available = available_memory(device) if bounded() else None
    if available is None or memory.of(pictures) <= available:
        return
    most = memory.largest_batch(available)
    fix = f"a batch size of {most} is the largest power of two that fits" if most else "not even one picture fits"
    raise RequestError(
        f"{work} needs about {_gigabytes(memory.of(pictures))} for {size}, and {_gigabytes(available)} of memory are "
        f"available on {device}; {fix}. {LIFT}."
    )


def require_bytes(needed: int, device: str, work: str) -> None:
    """Raise RequestError where some work needs more bytes than there are."""
    available = available_memory(device) if bounded() else None
    if available is not None and needed > available:
        raise _refused(work, needed, available, device)


def require_mapping(size: int, work: str) -> None:
    """Raise RequestError where so many bytes, those of files on a disk among them, are more than the process may have.

    Only its limit (ulimit -v) counts the pages of files.
    """
    left = min(_of_process(), default=None) if bounded() else None
    if left is not None and size > left:
        raise _refused(work, size, left, "cpu")


def require_confusion(classes: int) -> None:
    """Raise RequestError where a confusion matrix, and what is computed from it, takes more than there is."""
    require_bytes(3 * 8 * classes**2, "cpu", f"The confusion matrix of {classes:,} classes")


def _refused(work: str, needed: int, available: int, device: str) -> RequestError:
    return RequestError(
        f"{work} needs about {_gigabytes(needed)}, and {_gigabytes(available)} of memory are available on {device}. "
        f"{LIFT}."
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"


def _of_machine() -> Iterator[int]:
    for line in _lines(SYSTEM / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _of_process() -> Iterator[int]:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    sizes = _lines(SYSTEM / "proc/self/statm")
    if limit != resource.RLIM_INFINITY and sizes:
        yield max(0, limit - int(sizes[0].split()[0]) * resource.getpagesize())


def _of_groups() -> Iterator[int]:
    """What each control group above this process leaves; pages of files that can be dropped count as free."""
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
                yield from _of_group(group, limit, usage)


def _of_group(group: Path, limit: str, usage: str) -> Iterator[int]:
    most, used = _number(group / limit), _number(group / usage)
    if most is not None and used is not None and most < 2**62:  # "max", and about 2^63 in version 1: no limit
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
