"""The fastest runtime is chosen among those that give the network's answers, and the choice is kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

import cardinet
from cardinet.base.errors import RequestError
from cardinet.build.meta import on_meta
from cardinet.fast import job, measuring
from cardinet.fast.choice import PLAIN
from cardinet.measure.memory import evaluation_memory
from cardinet.runs.model_file import Model
from cardinet.runtimes import RUNTIMES
from cardinet.runtimes.eager import Eager, called

if TYPE_CHECKING:
    from cardinet.runtimes.runtime import Prepared, Use

AMONG = ("eager", "quick", "wrong", "broken", "narrow")


class Quick(Eager):
    """The network as it is, which counts its passes."""

    name, about, passes = "quick", "for tests", 0

    def prepare(self, network: nn.Module, use: Use) -> Prepared:
        run = called(network, use)

        def counted(pixels: Tensor) -> Tensor:
            assert tuple(pixels.shape) == use.shape
            Quick.passes += 1
            return self.answer(run(pixels))

        return counted

    def answer(self, logits: Tensor) -> Tensor:
        return logits


class Wrong(Quick):
    name = "wrong"

    def answer(self, logits: Tensor) -> Tensor:
        return logits.roll(1, 1)


class Narrow(Quick):
    name = "narrow"

    def answer(self, logits: Tensor) -> Tensor:
        return logits[:, :-1]


class Broken(Quick):
    name = "broken"

    def answer(self, logits: Tensor) -> Tensor:
        raise RuntimeError("an operation is missing\nmore of it")


@pytest.fixture(autouse=True)
def runtimes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, float]]:
    """Made-up runtimes with made-up times; the quick one is the fastest. The list has the measurements."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for kind in (Quick, Wrong, Narrow, Broken):
        monkeypatch.setitem(RUNTIMES, kind.name, kind())
    measured: list[dict[str, float]] = []

    def medians(rivals: Mapping[str, measuring.Rival], pixels: Tensor) -> dict[str, float]:
        measured.append({name: 1.0 if one.runtime == "quick" else 3.0 for name, one in rivals.items()})
        return measured[-1]

    monkeypatch.setattr(measuring, "_medians", medians)
    return measured


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return cardinet.create("resnet20_cifar", num_classes=10).eval()


def compiled(network: Any, **options: Any) -> Any:
    return cardinet.compile(network, **{"among": AMONG, "input_size": 16, "batch_size": 4, **options})


def test_the_fastest_that_agrees_is_chosen(network: nn.Module) -> None:
    found = compiled(network, precisions=("float32", "bfloat16"))
    choice = found.choice
    assert (choice.runtime, choice.precision, choice.gain) == ("quick", "float32", 3.0)
    left_out = {one.name: one.left_out for one in choice.tried if one.milliseconds is None}
    assert left_out["broken in float32"] == "an operation is missing"
    assert left_out["narrow in float32"] == "it gives answers of shape (4, 9), and the network (4, 10)"
    assert left_out["wrong in float32"].startswith("its answers differ from the network's by 1.")
    assert len(choice.tried) == 2 * len(AMONG)
    assert len(left_out) == 6
    said = " ".join(choice.sentences())
    assert said.startswith("quick in float32 runs the network, as measured: a batch of 4 took quick in float32 1 ms")
    assert "Not chosen is wrong in float32: its answers differ" in said


def test_whole_batches_parts_and_everything_else(network: nn.Module) -> None:
    found = compiled(network)
    with torch.inference_mode():
        for count, passes in ((4, 1), (1, 1), (10, 3)):
            pixels, before = torch.randn(count, 3, 16, 16), Quick.passes
            assert torch.allclose(found(pixels), network(pixels), rtol=1e-4, atol=1e-5)
            assert Quick.passes == before + passes
        before = Quick.passes
        assert found(torch.randn(2, 3, 20, 20)).shape == (2, 10)
    pixels = torch.randn(2, 3, 16, 16, requires_grad=True)
    found(pixels).sum().backward()
    assert pixels.grad is not None
    found.train()
    with torch.no_grad():
        found(pixels)
    found.eval()
    assert Quick.passes == before
    twin = copy.deepcopy(found)
    with torch.no_grad():
        twin.fc.bias.fill_(torch.nan)
        assert twin(torch.zeros(4, 3, 16, 16)).isfinite().all()  # the weights are those of the choice
        assert twin(torch.zeros(4, 3, 20, 20)).isnan().all()
        assert found(torch.zeros(4, 3, 20, 20)).isfinite().all()


def test_what_counts_memory_counts_the_network_itself(network: nn.Module) -> None:
    found, before = compiled(network), Quick.passes
    assert evaluation_memory(on_meta(found), 16, 3, 4) == evaluation_memory(on_meta(network), 16, 3, 4)
    assert Quick.passes == before


def test_a_choice_that_is_used_again_costs_one_pass_of_the_runtime(network: nn.Module) -> None:
    pixels = torch.randn(40, 3, 16, 16)
    compiled(network, input_size=None, pixels=pixels)
    before = Quick.passes
    compiled(network, input_size=None, pixels=pixels)
    assert Quick.passes == before + 1


def test_a_choice_is_kept_and_compared_anew(
    network: nn.Module, runtimes: list[dict[str, float]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = compiled(network).choice
    assert compiled(network).choice == first
    assert len(runtimes) == 1
    (file,) = (tmp_path / "cache" / "cardinet" / "fast").iterdir()

    file.write_text("{")  # it is damaged
    compiled(network)
    assert len(runtimes) == 2

    with monkeypatch.context() as patch:  # what was chosen gives other answers now
        patch.setattr(Quick, "answer", Wrong.answer)
        assert compiled(network).choice.runtime == PLAIN
    assert len(runtimes) == 3

    compiled(network, batch_size=2)
    compiled(cardinet.create("resnet20_cifar", num_classes=9).eval())
    assert len(runtimes) == 5


def test_a_model_answers_as_before(network: nn.Module) -> None:
    from cardinet.data.preprocessing import Preprocessing

    how = Preprocessing(channels=3, resize=16, crop=16, mean=(0.5,) * 3, std=(0.2,) * 3)
    model = Model(network, None, tuple("abcdefghij"), how)
    found, before = compiled(model, input_size=None), Quick.passes
    pictures = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    for one, other in zip(found.predict(pictures), model.predict(pictures), strict=True):
        assert one.classes == other.classes
        assert one.probabilities == pytest.approx(other.probabilities, rel=1e-4)
    assert Quick.passes == before + 2


def test_everything_that_is_wrong_is_said_at_once(network: nn.Module) -> None:
    with pytest.raises(RequestError) as error:
        compiled(network, precisions=("float8",), among=("eagre",), batch_size=0, input_size=None)
    said = error.value.findings
    assert len(said) == 4
    assert 'There is no precision "float8" (nearest: float32' in said[0]
    assert 'There is no runtime "eagre" (nearest: eager' in said[1]
    assert said[2].startswith("batch_size = 0")
    assert said[3].startswith("input_size is missing")
    with pytest.raises(RequestError, match="pixels are float32 of"):
        cardinet.compile(network, torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(RequestError, match="Linear is no network of Cardinet"):
        cardinet.compile(nn.Linear(2, 2), input_size=8)


@pytest.mark.long
def test_real_runtimes_agree(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = cardinet.compile(network, input_size=32, batch_size=8, precisions=("float32", "bfloat16"))
    tried = {one.name: one for one in found.choice.tried}
    assert len(tried) == 2 * len(job.Asked().among) == 8
    for one in tried.values():
        assert one.left_out == "" or one.milliseconds is None
        assert one.difference is None or one.difference < {"float32": 1e-4, "bfloat16": 0.05}[one.precision]
    assert found.choice.chosen.milliseconds == min(one.milliseconds for one in tried.values() if one.milliseconds)
