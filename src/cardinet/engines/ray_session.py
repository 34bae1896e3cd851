"""Ray from its start to its end: quiet, without reports to its makers, and with nothing left on the disk."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cardinet.base.errors import RequestError, WorkError

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray tells its makers about each start by default
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that it will hide GPUs in a later version
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
}
"""Variables that are set for Ray and its processes, unless the user has set them."""

STORE = 80 * 2**20
"""Bytes of Ray's shared memory, near its least: results are small, and pictures are read where they are needed."""


def require_ray(what: str) -> None:
    """Raise RequestError, with the extra that installs it, if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise RequestError(f'{what} needs ray, which is not installed: pip install "cardinet[ray]".')


def library() -> Any:
    """Ray. Raises RequestError if it is installed but cannot be imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
    except (ImportError, OSError) as error:
        raise RequestError(
            f'ray is installed but cannot be imported ({error}); pip install --force-reinstall "cardinet[ray]".'
        ) from error
    return ray


def default_processes(gpus: int) -> int:
    """One process for each processor of this machine, or for each GPU that torch sees if they need one."""
    if gpus:
        import torch

        return max(1, torch.cuda.device_count() // gpus)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_a_cluster() -> bool:
    """Whether the work goes to machines that Ray has already, which may have other files and devices than this one."""
    return bool(os.environ.get("RAY_ADDRESS"))


@contextmanager
def session(cpus: int, gpus: int) -> Iterator[Any]:
    """Ray with room for so many processes, to the end of the block; one that runs already is used and stays.

    Raises WorkError if it cannot be started.
    """
    ray = library()
    if ray.is_initialized():
        yield ray
        return
    address = os.environ.get("RAY_ADDRESS")
    folder = tempfile.mkdtemp(prefix="cardinet-ray-")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray._private.worker._worker_logs_enabled = False  # else it prints news of lost processes on stdout
            about: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
            if address:
                ray.init(address=address, **about)
            else:
                own = {"num_cpus": cpus, "num_gpus": gpus, "object_store_memory": STORE, "_temp_dir": folder}
                ray.init(include_dashboard=False, **own, **about)
        yield ray
    except (ConnectionError, TimeoutError) as error:
        raise WorkError(f"Ray could not be started or reached ({str(error).splitlines()[0]:.200}).") from error
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
