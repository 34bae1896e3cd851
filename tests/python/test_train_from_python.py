"""`cardinet.train`: the same run as the command's, methods of one's own, and what is refused."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import cardinet
from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.cli.main import outcome
from cardinet.cli.train import train as command
from cardinet.data.batches import Batch
from cardinet.python.train import train
from cardinet.train.interrupt import Interrupted
from cardinet.train.job import resume
from cardinet.train.listener import Listener, Tick
from cardinet.train.methods import Conditions, Hooks, Method
from cardinet.train.plain_options import OPTIONS
from train.runs_to_compare import differences

SHORT: dict[str, Any] = {"epochs": 2, "batch_size": 128, "seed": 3, "workers": 0}


class Noise(Method):
    """Changes the first weight by a sum of all drawn numbers: its state makes bits."""

    size: float = 0.01

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        return Adding(self.size, next(network.parameters()))


class Adding(Hooks):
    """A hook with state that only a checkpoint can bring back."""

    def __init__(self, size: float, parameter: Tensor) -> None:
        self.size, self.parameter = size, parameter
        self.sum = torch.zeros(())
        self.seen: list[int] = []

    def see(self, batch: Batch, step: int) -> Batch:
        self.seen.append(step)
        return batch

    def after_update(self, step: int) -> None:
        self.sum += torch.rand(())
        with torch.no_grad():
            self.parameter += self.size * self.sum

    def state(self) -> Mapping[str, Tensor]:
        return {"sum": self.sum}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.sum.copy_(state["sum"])


class Stop(Listener):
    """Stops the run at a step, after its checkpoint."""

    def stepped(self, tick: Tick) -> None:
        if tick.step >= 5:
            raise Interrupted("stopped by the test")


def test_the_run_is_that_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = cardinet.train(out=tmp_path / "mine", **SHORT)
    assert "epoch    2.0  validation error" in capsys.readouterr().err
    words = [f"--{name.replace('_', '-')}={value}" for name, value in SHORT.items()]
    assert outcome(["train", *words, "--out", str(tmp_path / "command")]) == 0
    assert not differences(tmp_path / "mine", tmp_path / "command")
    assert run.folder == tmp_path / "mine"
    assert run.report.is_file()
    assert run.results["test"]["count"] == 360
    measured = cardinet.evaluate(run.model_file, "digits", split="test")
    assert measured.summary()["wrong"] == run.results["test"]["wrong"]
    assert run.model().classes == tuple("0123456789")


def test_every_plain_option_of_the_command_is_one_here() -> None:
    named = set(inspect.signature(command).parameters)
    assert OPTIONS.keys() <= named
    others = named - OPTIONS.keys() - set(inspect.signature(train).parameters)
    assert others == {"dry_run", "no_bounds", "as_json", "find_lr"}


def test_a_run_with_methods_of_a_program_resumes_in_the_same_bits(tmp_path: Path) -> None:
    whole = train(out=tmp_path / "whole", callbacks=[Noise()], listener=Listener(), **SHORT)
    plain = train(out=tmp_path / "plain", listener=Listener(), **SHORT)
    assert differences(whole.folder, plain.folder)
    with pytest.raises(Interrupted):
        train(
            out=tmp_path / "cut",
            callbacks=[Noise()],
            listener=Stop(),
            settings={"training.checkpoint_seconds": 0},
            **SHORT,
        )
    with pytest.raises(RequestError, match=r"The run has the methods Noise of a program; continue it there"):
        resume(tmp_path / "cut", Listener())
    with pytest.raises(RequestError, match="the run has the methods Noise of a program, and Selfish was given"):
        train(resume=tmp_path / "cut", callbacks=[Selfish()], listener=Listener())
    train(resume=tmp_path / "cut", callbacks=[Noise()], listener=Listener())
    assert not differences(whole.folder, tmp_path / "cut")


class Selfish(Method):
    """Asks for what only a method of a recipe can have."""

    REPLACES = True

    def groups(self, network: Classifier) -> list[dict[str, Any]]:
        return []

    def check(self, network: Classifier, conditions: Conditions) -> None:
        raise RequestError(f"no step has {conditions.clock.batch_size} pictures.")


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as found:
        train(out=tmp_path / "a", callbacks=[Selfish(), 3, Selfish()], **SHORT)  # type: ignore[list-item]
    said = "\n".join(found.value.findings)
    for part in (
        "Selfish is there twice",
        "Selfish has groups, which only methods of a recipe",
        "Selfish sets SELECTS or REPLACES",
        "int is no method; give an instance",
        "no step has 128 pictures.",
    ):
        assert part in said
    with pytest.raises(RequestError, match=r'no setting "epoch" .*--epochs 5'):
        train(epoch=3)
    with pytest.raises(RequestError, match=r"remove network, lr\. .*weights=\.\.\."):
        train("resnet18", resume=tmp_path, lr=0.1)
    with pytest.raises(RequestError, match="There is no recipe"):
        train(recipe="nosuch", settings={"training.clip": -1})
    assert not list(tmp_path.iterdir())


def test_a_rate_is_found_as_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same curve, and a page; the same option for the parts of a batch."""
    rates = [10 ** (-3 + i / 8) for i in range(24)]
    monkeypatch.setattr("cardinet.train.range_test.Sweep.rates", lambda sweep: iter(rates))
    network = {"network.depths": [1, 1, 1], "network.widths": [4, 4, 4], "network.width": 4, "machine.threads": 1}
    page = tmp_path / "page.html"
    options: dict[str, Any] = {"settings": network, "listener": Listener(), "workers": 0}
    found = cardinet.find_lr("resnet20_cifar", find_batch=True, page=page, **options)
    assert found.task.recipe.training.accumulate == 1
    assert found.curve == cardinet.find_lr("resnet20_cifar", **options).curve
    assert "Which learning rate?" in page.read_text()
    with pytest.raises(RequestError) as caught:
        cardinet.find_lr("resnet21_cifar", page=page, lr=-1)
    assert len(caught.value.findings) == 3
