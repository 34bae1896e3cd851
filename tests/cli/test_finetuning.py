"""`train --weights`: from torchvision's parameters to classes of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision

import cardinet
from breadth import breadth
from cli.cli_runner import Cli
from cli.hostile_files import class_folder

Save = Callable[[dict[str, torch.Tensor], str], object]
COMMON = ["--data", "two", "--epochs", "1", "--set", "size=32", "--set", "machine.threads=1", "--workers", "0"]


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    found: dict[str, torch.Tensor] = torchvision.models.resnet18(weights=None).state_dict()
    return found


@pytest.mark.parametrize(
    ("name", "save"),
    breadth(
        [("a.pth", torch.save), ("a.safetensors", safetensors.torch.save_file)],
        ("a.safetensors", safetensors.torch.save_file),
    ),
)
def test_a_new_classifier_on_top_of_the_parameters_of_a_file(
    name: str, save: Save, state: dict[str, torch.Tensor], cli: Cli
) -> None:
    """With a learning rate that changes nothing, all parameters but the classifier's are the file's."""
    class_folder(Path("two"))
    save(state, name)
    said = cli("train", "resnet18", "--recipe", "finetune", "--weights", name, "--lr", "1e-30", "--out", "run", *COMMON)
    assert said.code == 0, said.err
    assert "New classifier: fc.weight, fc.bias initialised at random" in said.err
    assert "120 tensors loaded." in said.err
    trained = safetensors.torch.load_file("run/model.safetensors")
    assert trained.keys() == state.keys()
    assert trained["fc.weight"].shape == (2, 512)
    learnt = [n for n in state if "running" not in n and "num_batches" not in n and not n.startswith("fc.")]
    assert len(learnt) == 60
    assert all(torch.allclose(trained[n], state[n], rtol=0, atol=1e-20) for n in learnt)
    assert not torch.equal(trained["bn1.running_mean"], state["bn1.running_mean"])


def test_a_dry_run_says_what_would_be_loaded(state: dict[str, torch.Tensor], cli: Cli) -> None:
    class_folder(Path("two"))
    torch.save({"epoch": 3, "state_dict": {f"module.{n}": t for n, t in state.items()}}, "wrapped.pth")
    said = cli("train", "resnet18", "--weights", "wrapped.pth", "--dry-run", *COMMON)
    assert said.code == 0
    assert "New classifier: fc.weight, fc.bias initialised at random" in said.err
    wrong = cli("train", "resnet34", "--weights", "wrapped.pth", "--dry-run", *COMMON)
    assert wrong.code == 2
    assert "layer1.2.conv1.weight is missing in the file" in wrong.err


def test_the_weights_of_a_run_start_another(cli: Cli, digits_run: Path) -> None:
    model = digits_run / "model.safetensors"
    said = cli("train", "--weights", model, "--epochs", "1", "--lr", "1e-30", "--out", "more")
    assert said.code == 0
    assert "New classifier" not in said.err
    first, second = (safetensors.torch.load_file(path) for path in (model, "more/model.safetensors"))
    assert torch.equal(first["fc.weight"], second["fc.weight"])


def test_a_named_network_is_evaluated_with_the_weights_of_a_file(
    state: dict[str, torch.Tensor], cli: Cli, digits_run: Path
) -> None:
    class_folder(Path("two"))
    torch.save(state, "thousand.pth")
    said = cli("eval", "resnet18", "--data", "two", "--weights", "thousand.pth")
    assert (said.code, said.out) == (2, "")
    assert "has no classifier for the 2 classes of two" in said.err
    torch.save(safetensors.torch.load_file(digits_run / "model.safetensors"), "digits.pth")
    by_name = cli("eval", "resnext11_8x16d_digits", "--data", "digits", "--weights", "digits.pth")
    assert by_name.out == cli("eval", digits_run).out
    order = (
        "digits.pth does not name its classes; its classifier is used by position: class 0 is 0, 1 is 1, ..., 9 is 9."
    )
    assert order in by_name.err
    trained = cli("train", "resnext11_8x16d_digits", "--weights", "digits.pth", "--dry-run")
    assert order in trained.err
    assert "by position" not in cli("train", "--weights", digits_run / "model.safetensors", "--dry-run").err
    assert "by position" not in cli("train", "resnet18", "--weights", "thousand.pth", "--dry-run", *COMMON).err


@pytest.mark.parametrize("words", [["--fold"], ["--strip", "--deepen", "2,1,1"]])
def test_a_rewritten_model_trains_on_as_it_is(words: list[str], cli: Cli, digits_run: Path) -> None:
    """No name describes it, so the file does; what was done to it stands in the model that comes of it."""
    assert cli("rewrite", digits_run, *words, "--out", "rewritten.safetensors").code == 0
    before = cardinet.load("rewritten.safetensors")
    said = cli("train", "--weights", "rewritten.safetensors", "--epochs", "1", "--lr", "1e-30", "--out", "more")
    assert said.code == 0, said.err
    assert ("batch normalisation of this model was folded" in said.err) == (words == ["--fold"])
    after = cardinet.load("more")
    assert (after.spec, after.rewrites) == (before.spec, before.rewrites)
    own, learnt = dict(before.network.named_parameters()), dict(after.network.named_parameters())
    assert learnt.keys() == own.keys()
    assert all(torch.allclose(p, own[name], rtol=0, atol=1e-20) for name, p in learnt.items())
    assert "is finished" in cli("train", "--resume", "more").err


def test_what_a_rewritten_model_is_not_trained_on(cli: Cli, digits_run: Path) -> None:
    class_folder(Path("two"))
    assert cli("rewrite", digits_run, "--classes", "b,a,c", "--out", "three.safetensors").code == 0
    refused = cli("train", "--weights", "three.safetensors", "--out", "more", "--data", "two")
    assert refused.code == 2
    assert "The model has 3 classes and two 2; give it those first" in refused.err
    refused = cli("train", "--weights", "three.safetensors", "--set", "order=e", "--out", "more")
    assert refused.code == 2
    assert "order: the network of a rewritten model cannot be changed; remove these settings." in refused.err
