"""The engines by name, their checks before any work, and their beginning and end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.whole_numbers import require_whole
from cardinet.engines.engine import Engine, OneProcess

LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)
MOST = 4096
"""The most processes of an engine."""


def check_engine(name: str, processes: int | None, *, work: str) -> None:
    """Raise RequestError for an unknown engine, one that is not installed, and processes that it does not have.

    `work` names the request in messages, such as "predict".
    """
    findings = Findings()
    with findings:
        if name not in ENGINES:
            raise RequestError(f"--engine {name}: there is no such engine ({nearest(name, ENGINES)}).")
        if name == RAY:
            from cardinet.engines.ray_session import require_ray

            require_ray(f"{work} --engine ray")
    with findings:
        if processes is not None:
            require_whole(1, MOST, processes=processes)
            if name == LOCAL:
                raise RequestError(f"--processes {processes}: this is for --engine ray; without it one process works.")
    findings.raise_if_any()


@contextmanager
def engine_named(name: str, processes: int | None = None, *, gpus: int = 0) -> Iterator[Engine]:
    """An engine of a name that `check_engine` allows. Ray starts on this machine, or is that of `RAY_ADDRESS`.

    Each of its processes gets `gpus` GPUs. By default there are as many processes as processors, or as GPUs.
    """
    if name == LOCAL:
        yield OneProcess()
        return
    from cardinet.engines.ray_engine import RayEngine
    from cardinet.engines.ray_session import default_processes, session

    count = processes or default_processes(gpus)
    with session(count, gpus * count):
        yield RayEngine(count, gpus)
