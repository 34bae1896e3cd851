"""The processes of one run, as torchrun starts them: who is who, and what they say to each other.

Every method that exchanges something must be called by all processes in the same order. Documents travel as JSON and
numbers as tensors, so nothing that another process sends can run code here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor

from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.runs.endings import for_one_voice, heard

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

PATIENCE = timedelta(hours=6)
"""The longest time that processes wait for each other: one may evaluate, or write, while the others wait."""

CONNECTS, TRIES = timedelta(seconds=30), 5
"""The longest time of a connection between processes that are all there, and how often it is tried."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of a run. By default it is alone.

    `rank` is its number of `count`, `local` its number of the `here` processes on this machine. The `leader` is the
    process that writes the run folder and speaks to the user. `again`: a launcher has started the processes again, and
    goes on with the run that they began.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    here: int = 1
    leader: int = 0
    again: bool = False

    @property
    def alone(self) -> bool:
        return self.count == 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == self.leader

    def share(self, length: int) -> slice:
        """The part of so many samples that is this process's: the parts follow each other and differ by at most one."""
        return slice(length * self.rank // self.count, length * (self.rank + 1) // self.count)

    def sum(self, tensor: Tensor) -> Tensor:
        """The tensor, after its sum over all processes was written into it."""
        if not self.alone:
            with heard():
                dist.all_reduce(tensor)
        return tensor

    def any(self, *flags: bool) -> list[bool]:
        """For each flag whether it is set in any of the processes."""
        if self.alone:
            return list(flags)
        return [bool(number) for number in self.sum(torch.tensor(flags, dtype=torch.int64)).tolist()]

    def tell(self, document: Any) -> list[Any]:
        """The JSON documents of all processes, by rank."""
        if self.alone:
            return [document]
        own = torch.frombuffer(bytearray(json.dumps(document).encode()), dtype=torch.uint8)
        sizes = [int(size) for size in self.rows(torch.tensor(len(own)))]
        texts = self.rows(torch.cat([own, own.new_zeros(max(sizes) - len(own))]))
        return [json.loads(text[:size].numpy().tobytes()) for text, size in zip(texts, sizes, strict=True)]

    def rows(self, tensor: Tensor) -> Tensor:
        """The tensors of all processes, which have one shape, as rows by rank."""
        found = tensor.new_zeros((self.count, *tensor.shape))
        found[self.rank] = tensor
        return self.sum(found)

    def of_the_one_before(self, tensor: Tensor) -> Tensor:
        """The tensor of the process before this one, of one shape in all; the first gets that of the last."""
        return tensor if self.alone else self.rows(tensor)[self.rank - 1]

    def from_leader(self, document: Any) -> Any:
        """The leader's JSON document."""
        return self.tell(document if self.leads else None)[self.leader]

    def spread(self, tensor: Tensor) -> Tensor:
        """The tensor, after the leader's values were written into it."""
        if not self.alone:
            with heard():
                dist.broadcast(tensor, self.leader)
        return tensor

    def spread_all(self, tensors: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        """The leader's tensors by name; only the leader needs to give them."""
        own = dict(tensors) if tensors is not None else {}
        if self.alone:
            return own
        about = [[name, str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in own.items()]
        for name, dtype, shape in self.from_leader(about):
            tensor = own[name].contiguous() if self.leads else torch.empty(shape, dtype=getattr(torch, dtype))
            own[name] = self.spread(tensor.view(torch.uint8) if tensor.dtype == torch.bool else tensor).view(
                getattr(torch, dtype)
            )
        return own

    def led_by(self, has: bool) -> Ranks:
        """The same processes, led by the first for which something is true; by the first of all if by none."""
        flags = [bool(flag) for flag in self.tell(has)]
        return replace(self, leader=flags.index(True) if any(flags) else 0)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Raise in every process the errors that were raised in any of them inside of the block.

        A finding that all processes have is said once; another one is said with the number of its process.
        """
        findings = Findings()
        with findings:
            yield
        if self.alone:
            findings.raise_if_any()
            return
        own = [text for error in findings.errors for text in error.findings]
        code = max((error.exit_code for error in findings.errors), default=0)
        every = self.tell([code, own])
        if not any(code for code, _ in every):
            return
        shared = [text for text in every[0][1] if all(text in texts for _, texts in every)]
        apart = [f"process {i}: {t}" for i, (_, texts) in enumerate(every) for t in texts if t not in shared]
        kind = RequestError if max(code for code, _ in every) == RequestError.exit_code else WorkError
        raise kind(*shared, *apart) if self.leads else kind()  # one process says it for all


ALONE = Ranks()


def launched() -> bool:
    """Whether torchrun, or a launcher with the same variables, has started several processes for one run."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


def launch_id() -> str:
    """What the processes of one launch by torchrun have in common, also after they were started again; else "".

    It is the name that the user gave to the launch (--rdzv-id), or the process that started this one.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID", "")
    if name in ("", "none"):
        parent = os.getppid()
        return f"process {parent} of {_began(parent)}" if name else ""
    return name


def _began(process: int) -> str:
    """The time at which a process began, in the system's own measure; empty where it does not say."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def ranks_of_environment() -> Ranks:
    """This process's place as the launcher says. Raises RequestError for variables that are missing or no numbers."""
    if not launched():
        return ALONE
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    given = {name: os.environ.get(name, "") for name in names}
    if wrong := [name for name, text in given.items() if not text.isdigit()]:
        raise RequestError(
            f"WORLD_SIZE = {given['WORLD_SIZE']}, but {' and '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} not "
            "set to a number: start several processes with torchrun, which sets them, or unset WORLD_SIZE."
        )
    rank, count, local, here = (int(text) for text in given.values())
    if not rank < count or not local < here <= count:
        raise RequestError(f"RANK = {rank} of WORLD_SIZE = {count} cannot be; start the processes with torchrun.")
    return Ranks(rank, count, local, here)


@contextmanager
def connected(led: Callable[[Ranks], Ranks] = lambda ranks: ranks) -> Iterator[Ranks]:
    """This process among the connected processes of its run: over gloo on the CPU, over NCCL between GPUs.

    `led` chooses their leader. Raises RequestError or WorkError if they cannot be connected. An error inside of the
    block is said by one of them for all (`endings`).
    """
    ranks = ranks_of_environment()
    if ranks.alone:
        yield led(ranks)
        return
    with heard():
        store = _connect(ranks)
    try:
        ranks = led(ranks)
        yield ranks
    except BaseException as error:
        spoken = for_one_voice(error, ranks, store)
        if spoken is error:
            raise
        raise spoken from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _connect(ranks: Ranks) -> Store:
    """Connect all processes, once all are there; return the store in which they have met.

    On a busy machine gloo's first connection sometimes waits for ever (torch 2.14, seen once in ten starts). So the
    connection has a short time, and is tried again with addresses that were not used before.
    """
    # Its functions keep the group that is open when it is imported, and so the connections, after their end.
    import torch.distributed.nn.functional
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store, _, _ = next(iter(rendezvous("env://", ranks.rank, ranks.count, timeout=PATIENCE)))
    # A store that an agent keeps has the addresses of former starts. Where it is new, agents count their starts apart.
    kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "") if kept else ""
    for attempt in range(TRIES):
        own = PrefixStore(f"{start}/{attempt}", store)
        if own.add("arrived", 1) == ranks.count:
            own.set("all", "there")
        own.wait(["all"], PATIENCE)
        try:
            dist.init_process_group(backend, store=own, rank=ranks.rank, world_size=ranks.count, timeout=CONNECTS)
            break
        except RuntimeError:
            if attempt == TRIES - 1:
                raise
    longer = getattr(dist, "set_timeout", None) or dist.distributed_c10d._set_pg_timeout  # torch 2.11 has the second
    longer(PATIENCE)
    return own
