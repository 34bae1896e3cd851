"""What all tests share: the data folder beside the checkout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Read when torch loads OpenMP: threads that wait sleep, so that tests beside other work take 4 times less time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:  # as many workers as cores: a core each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `shared` is skipped where the folder is absent; with CARDINET_SHARED=required that is a failure."""
    if item.get_closest_marker("shared") is None or SHARED.is_dir():
        return
    if os.environ.get("CARDINET_SHARED") == "required":
        pytest.fail(f"{SHARED} is absent, and CARDINET_SHARED=required asks for it", pytrace=False)
    pytest.skip(f"{SHARED} is absent")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared; tests that use it are marked `shared`."""
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def no_measured_threads() -> Iterator[None]:
    """A test that trains names its threads: what is measured depends on what else the machine does."""
    from cardinet.train import threads

    def refused(task: object) -> None:
        raise AssertionError("A test has to name its threads, as by --set threads=1.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "measured", refused)
        yield


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    """All networks share the code of `Classifier.forward`, of which torch.compile keeps 8 versions in a process."""
    yield
    if (dynamo := sys.modules.get("torch._dynamo")) is not None:
        dynamo.reset()
