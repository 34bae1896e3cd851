"""Whatever ends one of several processes, one of them says it for all, in one sentence, and none hangs."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.distributed import HashStore  # type: ignore[attr-defined]  # torch does not list it

from cardinet.base.errors import CardinetError, WorkError
from cardinet.runs import endings
from cardinet.runs.ranks import Ranks
from cardinet.train.interrupt import Interrupted
from ranks.breaks import HOW
from ranks.started import said, start
from ranks.test_training_together import SMALL

SENTENCES = {
    "missing": (1, "a/1.png is missing."),
    "full": (1, "a/1.png could not be read or written: No space left on device."),
    "memory": (1, "There is not enough memory for this"),
    "stop": (130, "Stopped"),
    "fault": (1, "KeyError: 'a fault of the program'"),
    "nan": (1, "Step 4: the loss is nan. Likely cause: the batch holds NaN"),
}

CASES = [(how, rank) for how in SENTENCES for rank in ("0", "1", "all") if (how, rank) != ("fault", "all")]


def test_all_ways_to_break_are_tried() -> None:
    assert SENTENCES.keys() == HOW.keys()
    assert len(CASES) == 17


@pytest.mark.parametrize(("of_leader", "code"), [(Interrupted("Stopped."), 130), (WorkError("A file is missing."), 1)])
def test_a_process_that_lost_the_leader_ends_with_its_code(
    of_leader: CardinetError, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C the leader may leave while another process still waits for its part of a checkpoint."""
    monkeypatch.setattr(endings, "_close", lambda error: None)
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")  # the leader does not wait for the others
    store = HashStore()
    assert endings.for_one_voice(of_leader, Ranks(0, 2), store) is of_leader
    ended = endings.for_one_voice(endings.ProcessLost("Another process has ended."), Ranks(1, 2), store)
    assert isinstance(ended, CardinetError)
    assert (ended.exit_code, ended.findings) == (code, ())


@pytest.mark.long
@pytest.mark.parametrize(("how", "rank"), CASES)
def test_one_process_says_it_for_all(how: str, rank: str, tmp_path: Path) -> None:
    words = [*SMALL, "--set", "length=8 steps", "--out", "run"]
    ended = said(start(["-m", "ranks.breaks", how, rank, "train", *words], 2, tmp_path))
    code, sentence = SENTENCES[how]
    assert [each for each, _, _ in ended] == [code, code]
    own = {rank} if how == "fault" else set()  # a fault of the program has its traceback
    told = [(str(i), err) for i, (_, _, err) in enumerate(ended) if str(i) not in own]
    if own != {"0"}:
        assert told[0][1].count(sentence) == 1
        assert sum(err.count("error: ") + err.count("Stopped") for _, err in told) == 1
    assert "Traceback" not in "".join(err for _, err in told)
    assert not ended[1][2] or own == {"1"}
    assert ".cc:" not in "".join(err for _, _, err in ended)
