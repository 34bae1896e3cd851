"""Where the processes of one training meet, as Ray Train's backend. It imports Ray, so it is imported where used."""

from __future__ import annotations

import os
from typing import Any

from ray.train._internal.utils import get_address_and_port
from ray.train.backend import Backend, BackendConfig


class _Backend(Backend):
    """Tells all processes the address of the first, and leaves the connection to them."""

    share_cuda_visible_devices = True

    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        address, port = worker_group.execute_single(0, get_address_and_port)
        worker_group.execute(_set_variables, {"MASTER_ADDR": address, "MASTER_PORT": str(port)})


class Meeting(BackendConfig):
    """The configuration of the backend."""

    @property
    def backend_cls(self) -> type[_Backend]:
        return _Backend


def _set_variables(variables: dict[str, str]) -> None:
    os.environ.update(variables)
