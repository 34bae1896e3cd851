"""`--weights` of eval and train: checkpoints of other programs, and settings that tensors cannot show."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

import cardinet
from cli.cli_runner import Cli
from weights.drawn import drawn

COMMON = ["--data", "ten", "--workers", "0"]


def ten_classes(root: Path) -> None:
    """Two noisy pictures of 32 x 32 pixels for each of ten classes and splits."""
    generator = torch.Generator().manual_seed(0)
    for split in ("train", "val"):
        for label in range(10):
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for i in range(2):
                pixels = torch.randint(256, (32, 32, 3), generator=generator, dtype=torch.uint8).numpy()
                Image.fromarray(pixels).save(folder / f"{i}.png")


def akamaster(path: str) -> None:
    """A checkpoint of pytorch_resnet_cifar10, wrapped and prefixed."""
    state = drawn("resnet20_cifar", pad="both").state_dict()
    names = {f"module.{name.replace('fc.', 'linear.')}": t for name, t in state.items() if "tracked" not in name}
    torch.save({"state_dict": names, "best_prec1": 91.7}, path)


@pytest.mark.long
@pytest.mark.shared
def test_the_known_checkpoint_gets_9173_right(cli: Cli, shared: Path) -> None:
    said = cli(
        *("eval", "resnet20_cifar", "--weights", shared / "data/weights/resnet20-12fca82f.th"),
        *("--data", f"parquet:{shared}/data/cifar10", "--mean", ".485,.456,.406", "--std", ".229,.224,.225"),
    )
    assert said.code == 0, said.err
    assert said.out.splitlines()[0] == "test error 8.27 %: 827 of 10,000 pictures wrong, each counted once"
    assert 'The network is built with pad = "both" (half of the new channels on each side)' in said.err
    assert 'Read the entry "state_dict" of' in said.err
    assert '97 tensors loaded from below "module.", 2 of them renamed (linear.weight is fc.weight).' in said.err


def test_eval_says_what_a_key_layout_settles_and_what_nobody_knows(cli: Cli) -> None:
    ten_classes(Path("ten"))
    akamaster("a.th")
    known = cli("eval", "resnet20_cifar", "--weights", "a.th", *COMMON)
    assert known.code == 0, known.err
    assert 'built with pad = "both"' in known.err
    torch.save(drawn("resnet20_cifar", pad="both").state_dict(), "plain.pth")
    unknown = cli("eval", "resnet20_cifar", "--weights", "plain.pth", *COMMON)
    assert (unknown.code, unknown.out) == (2, "")
    assert "does not say which shortcut.pad it was trained with" in unknown.err
    said = {}
    for setting in ("pad=both", "network.shortcut.pad=both", "pad=end"):
        words = ("--set", setting, "--set", "limit=40", "--json")
        said[setting] = cli("eval", "resnet20_cifar", "--weights", "plain.pth", *words, *COMMON)
        assert said[setting].code == 0, said[setting].err
    both, dotted, end = (found.out for found in said.values())
    assert both == dotted
    assert both != end


def test_network_settings_of_eval(cli: Cli) -> None:
    ten_classes(Path("ten"))
    torch.save(drawn("resnet20_cifar", kind="B", depths=(1, 1, 1)).state_dict(), "small.pth")
    words = ("--set", "kind=B", "--set", "network.depths=1,1,1", "--weights", "small.pth")
    assert cli("eval", "resnet20_cifar", *words, *COMMON).code == 0
    wrong = cli("eval", "resnet20_cifar", *words, "--set", "dephts=1", "--set", "data.limt=3", *COMMON)
    assert wrong.code == 2
    assert 'no setting "dephts" (nearest: depths' in wrong.err
    assert 'no setting "limt" (nearest: limit' in wrong.err


def test_train_takes_the_setting_of_the_checkpoint_into_its_recipe(cli: Cli) -> None:
    ten_classes(Path("ten"))
    akamaster("a.th")
    words = ("resnet20_cifar", "--weights", "a.th", "--epochs", "1", "--lr", "1e-30", "--set", "machine.threads=1")
    dry = cli("train", *words, "--dry-run", *COMMON)
    assert dry.code == 0, dry.err
    assert 'pad = "both"' in dry.out
    said = cli("train", *words, "--out", "run", *COMMON)
    assert said.code == 0, said.err
    assert 'built with pad = "both"' in said.err
    assert 'pad = "both"' in Path("run/run.toml").read_text()
    model = cardinet.load("run")
    assert model.spec.shortcut.pad == "both"
    torch.save(model.network.state_dict(), "plain.pth")
    unknown = cli("train", "resnet20_cifar", "--weights", "plain.pth", "--dry-run", *COMMON)
    assert unknown.code == 2
    assert "--set shortcut.pad=end" in unknown.err
    given = cli("train", "resnet20_cifar", "--weights", "plain.pth", "--set", "network.pad=both", "--dry-run", *COMMON)
    assert given.code == 0, given.err
    again = cli("train", "resnet20_cifar", "--weights", "run/model.safetensors", "--dry-run", *COMMON)
    assert again.code == 0, again.err
    assert 'built with pad = "both"' in again.err
