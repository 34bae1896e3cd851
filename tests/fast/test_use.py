"""What is asked of a job's runtime, when one is used without a request, and what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import cardinet
from cardinet.base.errors import RequestError
from cardinet.build.meta import on_meta
from cardinet.data.preprocessing import Preprocessing
from cardinet.fast import use
from cardinet.fast.job import Asked
from cardinet.fast.use import NEVER, WHERE_IT_PAYS, Pictures, Wanted, at_speed
from cardinet.runs.computed_by import EAGER, ComputedBy, computed_by
from cardinet.runs.model_file import Model
from cardinet.runtimes import RUNTIMES
from cardinet.runtimes.agreement import disagreement
from fast.made_up_runtimes import Installed, broken, first_swapped, same, wrong

FAST = Wanted(fast=True)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    return Installed(monkeypatch, kernels=first_swapped, onnxruntime=wrong, openvino=broken)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    network = cardinet.create("resnet20_cifar", num_classes=10).eval()
    how = Preprocessing(channels=3, resize=16, crop=16, mean=(0.5,) * 3, std=(0.2,) * 3)
    return Model(network, network.spec, tuple("abcdefghij"), how)


PIXELS = torch.randn(300, 3, 16, 16, generator=torch.Generator().manual_seed(1))


class Shown:
    """The pictures of a job, which notes how many of them were looked at."""

    def __init__(self) -> None:
        self.looked: list[int] = []

    def __call__(self, most: int) -> Tensor | None:
        self.looked.append(most)
        return PIXELS[:most]


def pictures(**changes: Any) -> Pictures:
    return replace(Pictures(left=300, total=300, batch_size=8, first=Shown()), **changes)


def test_the_fastest_runs_the_model_and_a_kept_choice_is_not_measured_again(model: Model, installed: Installed) -> None:
    found, said = at_speed(model, FAST, pictures())
    assert computed_by(found.network) == ComputedBy(runtime="kernels", precision="float32")
    assert said[0].startswith(
        "kernels in float32 runs the network, as measured: a batch of 8 took kernels in float32 1"
    )
    assert "Not chosen is onnxruntime in float32: its answers differ from the network's" in said[1]
    assert len(said) == 2
    with torch.inference_mode():
        assert torch.allclose(found.network(PIXELS), model.network(PIXELS), rtol=1e-4, atol=1e-5)
    before = installed["kernels"].passes
    again, said_again = at_speed(model, FAST, pictures(total=290))
    assert (installed.measurements, said_again) == (1, said)
    assert installed["kernels"].passes == before + 1
    assert at_speed(again, FAST, pictures())[0] is again  # it has its runtime


def test_an_answer_does_not_depend_on_the_others_of_its_batch(model: Model, installed: Installed) -> None:
    network = at_speed(model, FAST, pictures())[0].network
    with torch.inference_mode():
        alone, among = network(PIXELS[:1]), network(torch.cat([PIXELS[:1], PIXELS[9:16]]))
        assert torch.equal(alone[0], among[0])
        for count in (1, 7, 8, 9, 17):
            assert torch.allclose(network(PIXELS[:count]), model.network(PIXELS[:count]), rtol=1e-4, atol=1e-5)


def test_other_precisions_say_how_many_answers_changed(model: Model, installed: Installed) -> None:
    found, said = at_speed(model, Wanted(fast=True, precisions=("bfloat16",)), pictures())
    assert computed_by(found.network) == ComputedBy(runtime="kernels", precision="bfloat16")
    assert "In bfloat16 4 of 32 pictures had another most probable class than in float32." in said


def test_what_no_other_runtime_supports_is_eager_and_said(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    Installed(monkeypatch)
    found, said = at_speed(model, FAST, pictures())
    assert found is model
    reasons = [f"{name} in float32: an operation is missing" for name in ("kernels", "onnxruntime", "openvino")]
    assert said == (
        f"eager in float32 runs the network, because nothing else can or is as fast ({'; '.join(reasons)}).",
    )


@pytest.mark.parametrize(
    ("wanted", "changes", "seconds", "looked"),
    [
        (NEVER, {}, 60.0, []),
        (WHERE_IT_PAYS, {"left": 63}, 60.0, []),
        (WHERE_IT_PAYS, {}, 0.001, [use.TIMED]),
        (WHERE_IT_PAYS, {"begun": EAGER}, 60.0, []),
        (FAST, {"left": 0}, 60.0, []),
    ],
)
def test_nothing_changes(
    wanted: Wanted,
    changes: dict[str, Any],
    seconds: float,
    looked: list[int],
    model: Model,
    installed: Installed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(use, "_seconds", lambda network, pixels: seconds)
    shown = Shown()
    assert at_speed(model, wanted, pictures(first=shown, **changes)) == (model, ())
    assert (shown.looked, installed.measurements) == (looked, 0)


def test_many_pictures_are_run_so_without_a_request(
    model: Model, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use, "_seconds", lambda network, pixels: 1.0)
    found, said = at_speed(model, WHERE_IT_PAYS, pictures())
    assert computed_by(found.network) == ComputedBy(runtime="kernels", precision="float32")
    assert said[-1] == "It was chosen because 300 pictures are many; --no-fast forbids it."
    monkeypatch.setattr(use, "_seconds", lambda network, pixels: 0.0)  # the kept choice saves (450 - 150) / 8 ms each
    assert at_speed(model, WHERE_IT_PAYS, pictures())[0] is not model
    assert at_speed(model, WHERE_IT_PAYS, pictures(left=10, total=300))[0] is model


def test_too_little_memory(model: Model, installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.measure.available_memory.available_memory", lambda device: 1000)
    monkeypatch.setattr(use, "_seconds", lambda network, pixels: 60.0)
    assert at_speed(model, WHERE_IT_PAYS, pictures()) == (model, ())
    with pytest.raises(RequestError, match=r"The choice of a runtime \(--fast\) needs about"):
        at_speed(model, FAST, pictures())


def test_no_picture_can_be_used(model: Model, installed: Installed) -> None:
    found, said = at_speed(model, FAST, pictures(first=lambda most: None))
    assert found is model
    assert said == ("Eager mode runs the network: none of the first pictures can be used to choose a runtime.",)


def test_work_goes_on_with_its_runtime(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = Installed(monkeypatch, kernels=same)
    begun = ComputedBy(runtime="kernels", precision="bfloat16")
    found, said = at_speed(model, WHERE_IT_PAYS, pictures(left=1, begun=begun))
    assert computed_by(found.network) == begun
    assert said == ("kernels in bfloat16 goes on, which has computed the answers that are there.",)
    assert (installed.measurements, installed["kernels"].preparations) == (0, 1)
    found, said = at_speed(model, FAST, pictures(begun=EAGER))
    assert found is model
    assert said == ("The answers that are there were computed by eager in float32, which goes on.",)


@pytest.mark.parametrize(
    ("runtime", "wanted", "first", "reason"),
    [
        ("kernels", NEVER, Shown(), "--no-fast forbids it"),
        ("onnxruntime", FAST, Shown(), "onnxruntime cannot be used now, as its answers differ from the network's by"),
        ("openvino", WHERE_IT_PAYS, Shown(), "openvino cannot be used now, as an operation is missing"),
        ("nosuch", WHERE_IT_PAYS, Shown(), "there is no nosuch in float32 here"),
        ("kernels", FAST, lambda most: None, "none of the first pictures can be used to compare"),
    ],
)
def test_a_change_of_the_runtime_is_said(
    runtime: str, wanted: Wanted, first: Any, reason: str, model: Model, installed: Installed
) -> None:
    begun = ComputedBy(runtime=runtime, precision="float32")
    found, (said,) = at_speed(model, wanted, pictures(begun=begun, first=first))
    assert found is model
    assert said.startswith(
        f"The answers that are there were computed by {begun.name}; eager in float32 computes the others: {reason}"
    )


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(RequestError) as error:
        Wanted(fast=False, precisions=("float8", "bfloat16")).check()
    said = error.value.findings
    assert 'there is no precision "float8"' in said[0]
    assert said[1].startswith("--precision float8,bfloat16: these are the precisions that --fast may choose; add ")
    assert len(said) == 2
    Wanted(precisions=("float32",)).check()


def test_networks_that_no_other_runtime_can_run(model: Model) -> None:
    FAST.check_network(model.network)
    elsewhere, half = on_meta(model.network), cardinet.create("resnet20_cifar").half()
    with pytest.raises(RequestError, match="on meta there is no other runtime than eager mode; omit it, give"):
        FAST.check_network(elsewhere)
    with pytest.raises(RequestError, match="the network's parameters are float16, and a choice is for float32"):
        FAST.check_network(half)
    Wanted(fast=True, precisions=("bfloat16",)).check_network(elsewhere)
    for network in (elsewhere, half):
        WHERE_IT_PAYS.check_network(network)
    assert computed_by(half) == ComputedBy(precision="float16")


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in Asked().among if name != "eager"])
def test_real_runtimes_answer_each_picture_for_itself(name: str, model: Model) -> None:
    if reason := RUNTIMES[name].hindrance("float32"):
        pytest.skip(reason)
    begun = ComputedBy(runtime=name, precision="float32")
    found, said = at_speed(model, WHERE_IT_PAYS, pictures(begun=begun))
    assert computed_by(found.network) == begun, said
    with torch.inference_mode():
        exact, answers = model.network(PIXELS[:19]), found.network(PIXELS[:19])
        assert disagreement(answers.numpy(), exact.numpy(), "float32") == ""
        assert torch.allclose(answers, exact, rtol=1e-3, atol=1e-4)
        others = torch.cat([PIXELS[:3], 5 * PIXELS[40:45]])
        assert torch.equal(found.network(others)[:3], answers[:3])
        assert torch.allclose(found.network(PIXELS[2:3])[0], answers[2], rtol=1e-4, atol=1e-5)
