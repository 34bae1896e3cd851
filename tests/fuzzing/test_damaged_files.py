"""A short form of `proofs/fuzz.py files`: damaged files of every kind, by the functions that read them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fuzzing.files import KINDS, make_samples, read_damaged, readers


def test_damaged_files_are_refused_in_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    make_samples(tmp_path)
    torch.set_num_threads(threads)
    for name, read in readers().items():
        for file in tmp_path.rglob(name):
            read(file)
    found = read_damaged(0, 300, tmp_path)
    assert len(KINDS) >= 25
    assert found["mutations"] == 300
    assert found["refused"] > 150
    wrong = {key: found[key] for key in ("tracebacks", "silent_damage")}
    assert wrong == dict.fromkeys(wrong, 0), capfd.readouterr().err
