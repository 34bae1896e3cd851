"""The engine of Ray: every item once, whatever is killed, quietly, and with nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from cardinet.base.errors import RequestError, WorkError
from cardinet.engines.choice import check_engine, engine_named
from cardinet.engines.engine import Tell, Work
from cardinet.engines.ray_session import library

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")  # in Ray itself


def begin(folder: Path) -> Work[int, int]:
    """Work that notes each call in a folder, kills its process at item 3 once, and fails at item -1."""

    def work(item: int, tell: Tell) -> int:
        mark = folder / f"{item}-{os.getpid()}"
        mark.touch()
        tell(f"at {item}")
        if item == 3 and len(list(folder.glob("3-*"))) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if item < 0:
            raise WorkError("this item fails", "twice")
        return item * item

    return work


@pytest.mark.long
def test_items_are_done_though_a_process_is_lost(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    library().cloudpickle.register_pickle_by_value(sys.modules[__name__])  # this module is not on the processes' path
    before = set(Path(tempfile.gettempdir()).glob("cardinet-ray-*"))
    with engine_named("ray", 2) as engine:
        assert not engine.here
        found = dict(engine.each(partial(begin, tmp_path), range(8), lambda item, told: None))
        assert found == {item: item * item for item in range(8)}
        assert len(list(tmp_path.glob("3-*"))) == 2
        assert len({mark.name.partition("-")[2] for mark in tmp_path.iterdir()}) == 3  # two processes and a new one
        with pytest.raises(WorkError) as error:
            list(engine.each(partial(begin, tmp_path), [1, -1], lambda item, told: None))
        assert error.value.findings == ("this item fails", "twice")
    assert set(Path(tempfile.gettempdir()).glob("cardinet-ray-*")) == before
    assert capfd.readouterr().out == ""


def test_engines_are_checked_before_work(monkeypatch: pytest.MonkeyPatch) -> None:
    check_engine("local", None, work="predict")
    check_engine("ray", 2, work="predict")
    with pytest.raises(RequestError, match="no such engine"):
        check_engine("dask", None, work="predict")
    with pytest.raises(RequestError, match="--processes 2: this is for --engine ray"):
        check_engine("local", 2, work="predict")
    with pytest.raises(RequestError, match="processes = 0: give a whole number from 1 to 4,096"):
        check_engine("ray", 0, work="predict")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r'predict --engine ray needs ray, .* pip install "cardinet\[ray\]"'):
        check_engine("ray", None, work="predict")
