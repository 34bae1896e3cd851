"""What weights bring to a run: their network, their channels, their preprocessing; and the dry run shows just that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

import cardinet
from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier
from cardinet.build import builder
from cardinet.build.assembly import assemble
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.registry import LOOKALIKES, NETWORKS, PEERS, find, matching
from cardinet.networks.residual import Residual
from cardinet.rewrite.fold import fold
from cardinet.rewrite.steps import Step, apply
from cardinet.runs.model_file import Model, save_model
from cardinet.train.initial_weights import initial_network, weights_sentences
from cardinet.train.listener import Listener
from cardinet.train.request import Request, Resolved, resolve
from cardinet.weights import weight_source
from cardinet.weights.classifier_rows import position_sentence
from cardinet.weights.contents import Weights
from cardinet.weights.fitting_networks import fitting_network, nearest_network
from cardinet.weights.library_preprocessing import from_config_json, from_timm_config, from_torchvision_transforms
from cardinet.weights.match import load

HALF = (0.5, 0.5, 0.5)
TRAINED = Preprocessing(channels=3, resize=40, crop=32, interpolation="bicubic", antialias=False, mean=HALF, std=HALF)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return folder(tmp_path / "pictures", channels=3)


def folder(root: Path, channels: int, side: tuple[int, int] = (90, 70), names: Sequence[str] = ("ant", "bee")) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in names:
            (root / split / name).mkdir(parents=True)
            for i in range(4):
                pixels = rng.integers(0, 256, (*side, channels), dtype=np.uint8)
                image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
                image.save(root / split / name / f"{i}.png")
    return root


def model_file(path: Path, network: str = "resnet20_cifar", about: Preprocessing = TRAINED, **delta: Any) -> Path:
    built = cardinet.create(network, num_classes=3, **delta)
    save_model(path, Model(built, built.spec, ("a", "b", "c"), about))
    return path


def resolved(
    data: Path, weights: Path | str, network: str | None = None, recipe: str = "quick", **settings: Any
) -> Resolved:
    asked = {"data.source": str(data), "threads": 1, "batch_size": 4, **settings}
    request = Request(network=network, recipe=recipe, settings=tuple(asked.items()), weights=str(weights))
    return resolve(request, Listener())


def test_the_files_own_preprocessing_is_used_and_told(pictures: Path, tmp_path: Path) -> None:
    file = model_file(tmp_path / "m.safetensors")
    for recipe in ("quick", "finetune"):
        found = resolved(pictures, file, "resnet20_cifar", recipe)
        assert found.task.preprocessing == TRAINED
        said = "shorter side 40, size 32, bicubic without antialias, mean 0.5 0.5 0.5, std 0.5 0.5 0.5"
        assert f"The preprocessing of {file} is used: {said}." in found.notes


def test_what_is_asked_for_overrides_it_and_both_are_told(pictures: Path, tmp_path: Path) -> None:
    found = resolved(
        pictures, model_file(tmp_path / "m.safetensors"), "resnet20_cifar", size=48, interpolation="bilinear"
    )
    used = found.task.preprocessing
    assert (used.crop, used.resize, used.interpolation, used.antialias, used.mean) == (48, 60, "bilinear", False, HALF)
    assert any("as asked, size = 48 for 32, interpolation = bilinear for bicubic" in note for note in found.notes)


def test_weights_that_do_not_say_theirs(pictures: Path, tmp_path: Path) -> None:
    torch.save(cardinet.create("resnet18", num_classes=3).state_dict(), tmp_path / "w.pth")
    found = resolved(pictures, tmp_path / "w.pth", "resnet18")
    assert any("does not state its preprocessing" in note for note in found.notes)
    assert found.task.preprocessing.mean == (0.485, 0.456, 0.406)


def test_the_network_is_that_of_the_file(pictures: Path, tmp_path: Path) -> None:
    named = resolved(pictures, model_file(tmp_path / "a.safetensors", "resnet20_cifar"), recipe="finetune")
    assert named.task.recipe.network.id == "resnet20_cifar"
    assert (named.task.spec.num_classes, named.task.spec.depths) == (2, (3, 3, 3))
    other = resolved(
        pictures, model_file(tmp_path / "b.safetensors", "resnet20_cifar", gate="SqueezeExcite(reduction=4)")
    )
    assert (other.task.recipe.network.id, other.task.spec.gate.reduction) == ("custom", 4)
    torch.save(cardinet.create("resnet20_cifar", num_classes=3).state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        RequestError, match=r"does not say to which network its weights belong; name it\. They fit resnet20_cifar"
    ):
        resolved(pictures, tmp_path / "w.pth")


def test_finetuning_needs_weights(pictures: Path) -> None:
    request = Request(network="resnet18", recipe="finetune", settings=(("data.source", str(pictures)),))
    with pytest.raises(RequestError, match='"finetune" starts from weights; name them with --weights'):
        resolve(request, Listener())


@pytest.mark.parametrize(("pictures_are", "weights_are"), [(1, 3), (3, 1)])
def test_grey_and_colour_meet(tmp_path: Path, pictures_are: int, weights_are: int) -> None:
    data = folder(tmp_path / "data", pictures_are, (32, 32))
    torch.save(cardinet.create("resnet18", in_channels=weights_are).state_dict(), tmp_path / "w.pth")
    found = resolved(data, tmp_path / "w.pth", "resnet18", size=64)
    assert (found.task.spec.in_channels, found.task.preprocessing.channels) == (weights_are, weights_are)
    how = "each picture is read as three equal channels" if weights_are == 3 else "each picture is read as grey"
    assert any(how in note for note in found.notes)
    with pytest.raises(RequestError, match=r"conv1\.weight"):
        resolved(data, tmp_path / "w.pth", "resnet18", size=64, in_channels=pictures_are)


@pytest.mark.parametrize(("weights", "delta", "most"), [("m.safetensors", {}, 1), ("w.pth", {"in_channels": 1}, 2)])
def test_a_request_builds_its_network_once_or_twice(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str, delta: dict[str, Any], most: int
) -> None:
    """Twice where the weights bring a setting that nobody had asked for, here the channels."""
    model_file(tmp_path / "m.safetensors")
    torch.save(cardinet.create("resnet20_cifar", **delta).state_dict(), tmp_path / "w.pth")
    built: list[Residual] = []

    def counted(spec: Residual) -> Classifier:
        built.append(spec)
        return assemble(spec)

    monkeypatch.setattr(builder, "assemble", counted)
    settings = {"shortcut.pad": "both"} if weights == "w.pth" else {}
    found = resolved(pictures, tmp_path / weights, "resnet20_cifar", **settings)
    assert len(built) == most
    assert found.network.spec == built[-1] == found.task.spec


def test_a_dry_run_is_the_run(pictures: Path, tmp_path: Path) -> None:
    """The same function makes the network of both; on the device meta it draws and reads nothing."""
    found = resolved(pictures, model_file(tmp_path / "m.safetensors"), "resnet20_cifar")
    dry, said = found.network, weights_sentences(found.task, found.network, found.weights)
    wet, as_well = initial_network(found.task, found.weights)
    assert said == as_well
    assert {n: t.shape for n, t in dry.state_dict().items()} == {n: t.shape for n, t in wet.state_dict().items()}
    assert all(t.is_meta for t in dry.state_dict().values())


@pytest.mark.parametrize(
    ("names", "rows", "sentence"),
    [
        (
            "bcd",
            {0: 1, 1: 2},
            "The classifier: 2 of 3 classes are those of FILE and keep their rows (b, c); initialised at random: d.",
        ),
        (
            "0abcz",
            {1: 0, 2: 1, 3: 2},
            "3 of 5 classes are those of FILE and keep their rows (a, b, c); initialised at random: 0, z.",
        ),
        ("ac", {0: 0, 1: 2}, "The classifier: its 2 classes are all in FILE and keep their rows, by their names."),
        ("def", {}, "New classifier: fc.weight, fc.bias initialised at random; the file has none for these classes."),
        ("abc", {0: 0, 1: 1, 2: 2}, None),
    ],
)
def test_each_class_keeps_its_own_row(tmp_path: Path, names: str, rows: dict[int, int], sentence: str | None) -> None:
    file, data = model_file(tmp_path / "m.safetensors"), folder(tmp_path / "data", 3, (32, 32), names)
    found = resolved(data, file)
    torch.manual_seed(1)
    drawn = initial_network(found.task, None)[0].state_dict()
    torch.manual_seed(1)
    network, said = initial_network(found.task, found.weights)
    assert said == weights_sentences(found.task, found.network, found.weights)
    text = " ".join(said)
    assert sentence.replace("FILE", str(file)) in text if sentence else "classifier" not in text
    own, theirs = network.state_dict(), safetensors.torch.load_file(file)
    for name in own:
        expected = theirs[name]
        if name in ("fc.weight", "fc.bias"):
            expected = torch.stack([theirs[name][rows[i]] if i in rows else drawn[name][i] for i in range(len(names))])
        assert torch.equal(own[name], expected), name


def test_classes_that_stand_in_another_order(tmp_path: Path) -> None:
    built = cardinet.create("resnet20_cifar", num_classes=3)
    weights = Weights("w", built.state_dict(), spec=built.spec, classes=("c", "a", "b"))
    made = cardinet.create("resnet20_cifar", num_classes=3)
    load(made, weights, classes=("a", "b", "c"))
    for name in ("fc.weight", "fc.bias"):
        assert torch.equal(made.state_dict()[name], built.state_dict()[name][[1, 2, 0]])


def test_a_classifier_without_names_is_used_by_position() -> None:
    network = cardinet.create("resnet20_cifar", num_classes=3)
    weights = Weights("w.pth", network.state_dict(), spec=network.spec)
    said = "w.pth does not name its classes; its classifier is used by position: class 0 is ant, 1 is b\\x1b, 2 is cat."
    assert said in load(network, weights, classes=("ant", "b\x1b", "cat")).sentences()
    named = replace(weights, classes=("ant", "bee", "cat"))
    for one, classes in ((named, ("ant", "bee", "cat")), (named, ("cat", "ant", "bee")), (weights, ())):
        assert "by position" not in " ".join(load(network, one, classes=classes).sentences())
    other = cardinet.create("resnet20_cifar", num_classes=2)  # whose classifier is initialised at random
    assert "by position" not in " ".join(load(other, weights, classes=("ant", "bee")).sentences())


def test_the_libraries_order_of_imagenet_is_known() -> None:
    synsets = [f"n{number:08d}" for number in range(1000)]
    for source in ("torchvision:resnet50", "timm:resnet50.a1_in1k"):
        assert position_sentence(Weights(source, {}), synsets) == ""
        assert position_sentence(Weights(source, {}), synsets[::-1]) != ""
        assert position_sentence(Weights(source, {}), [*synsets[:-1], "tench"]) != ""
    assert "class 0 is n00000000, 1 is n00000001, ..., 999 is n00000999." in position_sentence(
        Weights("a.pth", {}), synsets
    )


def test_a_rewritten_model_of_other_classes_is_refused(tmp_path: Path) -> None:
    built = cardinet.create("resnet20_cifar", num_classes=3).eval()
    file = tmp_path / "m.safetensors"
    save_model(file, Model(fold(built), built.spec, ("a", "c", "b"), TRAINED, rewrites=(Step("fold"),)))
    for names in ("bcd", "abc"):
        with pytest.raises(
            RequestError, match=f"has the classes a, c, b, and .* has {', '.join(names)}; give it those"
        ):
            resolved(folder(tmp_path / names, 3, (32, 32), names), file)


@pytest.mark.parametrize("rewrite", [Step("fold"), Step("in_channels", {"channels": 1})], ids=lambda step: step.name)
def test_a_rewritten_model_says_how_it_reads_pictures_of_other_channels(tmp_path: Path, rewrite: Step) -> None:
    """With its own constants, also where a rewrite gave it its channels."""
    built = cardinet.create("resnet20_cifar", num_classes=2).eval()
    channels = rewrite.arguments.get("channels", 3)
    file, about = tmp_path / "m.safetensors", TRAINED.model_copy(update={"channels": channels, "mean": HALF[:channels]})
    about = about.model_copy(update={"std": HALF[:channels]})
    save_model(file, Model(apply(built, (rewrite,)), built.spec, ("ant", "bee"), about, rewrites=(rewrite,)))
    found = resolved(folder(tmp_path / "data", 4 - channels, (32, 32)), file)
    how = "read as three equal channels (in_channels = 3)" if channels == 3 else "read as grey (in_channels = 1)"
    assert how in " ".join(found.notes)
    assert found.task.preprocessing == about
    same = resolved(folder(tmp_path / "same", channels, (32, 32)), file)
    assert "in_channels" not in " ".join(same.notes)


def test_the_shorter_side_that_is_chosen_is_told(pictures: Path, tmp_path: Path) -> None:
    about = TRAINED.model_copy(update={"resize": None})
    found = resolved(pictures, model_file(tmp_path / "m.safetensors", about=about))
    assert found.task.preprocessing.resize == 37
    assert "Here the shorter side becomes 37 before the crop" in " ".join(found.notes)
    asked = resolved(pictures, model_file(tmp_path / "n.safetensors"), size=48)
    assert asked.task.preprocessing.resize == 60
    assert "Here the shorter side becomes 60 before the crop" in " ".join(asked.notes)
    small = resolved(folder(tmp_path / "small", 3, (32, 32)), tmp_path / "m.safetensors")
    assert small.task.preprocessing == about
    assert "shorter side" not in " ".join(small.notes)


def test_channels_that_do_not_fit_are_named_and_no_other_network(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", 1, (32, 32))
    torch.save(cardinet.create("resnet20_cifar", num_classes=2).state_dict(), tmp_path / "w.pth")
    with pytest.raises(RequestError, match=r"They fit this network with in_channels = 3: omit in_channels = 1\.$"):
        resolved(data, tmp_path / "w.pth", "resnet20_cifar", in_channels=1, **{"network.pad": "end"})


def test_a_network_of_the_same_tensors_is_not_proposed() -> None:
    """plain20_cifar has just the tensors of resnet20_cifar, and no shortcuts; and so has another kind of shortcut."""
    network = cardinet.create("resnet20_cifar")
    state = network.state_dict()
    weights = Weights("w", {**state, "bn1.running_var": state["bn1.running_var"] - 2}, spec=network.spec)
    with pytest.raises(RequestError) as refused:
        load(network, weights)
    assert "bn1.running_var is negative in the file" in str(refused.value)
    assert "fetch or make the file again" in str(refused.value)
    assert "They fit" not in str(refused.value)


def test_timm_and_torchvision_say_their_preprocessing(tmp_path: Path) -> None:
    import timm
    import torchvision

    known = timm.models.get_pretrained_cfg("resnet50.a1_in1k")
    assert known is not None
    config = known.to_dict()
    found = from_timm_config(config)
    assert found is not None
    assert (found.crop, found.resize, found.interpolation) == (224, 235, "bicubic")  # crop_pct 0.95
    assert found.mean == tuple(config["mean"])
    preset = torchvision.models.ResNet50_Weights.IMAGENET1K_V2.transforms()
    theirs = from_torchvision_transforms(preset)
    assert theirs is not None
    assert (theirs.crop, theirs.resize, theirs.interpolation) == (224, 232, "bilinear")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    assert torch.allclose(preset(image), theirs.normalise(theirs.picture(image)[None])[0], atol=1e-6)
    (tmp_path / "config.json").write_text(
        '{"pretrained_cfg": {"input_size": [3, 64, 64], "mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]}}'
    )
    hub = from_config_json(tmp_path / "model.safetensors")
    assert hub is not None
    assert (hub.crop, hub.resize, hub.std) == (64, 73, (1.0, 1.0, 1.0))
    for text in ("{", "[]", '{"pretrained_cfg": {"input_size": [3, 64, 32]}}'):
        (tmp_path / "config.json").write_text(text)
        assert from_config_json(tmp_path / "model.safetensors") is None


def test_a_library_alone_means_its_default_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    fake = SimpleNamespace(from_torchvision=lambda name: asked.append(name), from_timm=lambda name: asked.append(name))
    monkeypatch.setitem(__import__("sys").modules, "cardinet.weights.libraries", fake)
    for library, network in (("torchvision", "resnet50"), ("timm", "resnet50"), ("timm", "timm:resnet50d")):
        weight_source.read_weights(library, network)
    assert asked == ["resnet50", "resnet50", "resnet50d"]
    with pytest.raises(RequestError, match="name the network too"):
        weight_source.read_weights("torchvision")
    with pytest.raises(RequestError, match="torchvision has no network resnet20_cifar"):
        weight_source.read_weights("torchvision", "resnet20_cifar")


def test_networks_with_the_same_tensors_and_another_function(tmp_path: Path) -> None:
    assert len(LOOKALIKES) == 9
    import timm

    from cardinet.weights.libraries import from_timm

    with pytest.raises(RequestError, match="timm:resnetblur50 are not read: this network blurs or averages where"):
        from_timm("resnetblur50")
    for peer, name in LOOKALIKES.items():
        with torch.device("meta"):
            theirs = timm.create_model(peer.partition(":")[2]).state_dict()
        ours = cardinet.create(name, device="meta").state_dict()
        assert sorted(tuple(t.shape) for t in theirs.values()) == sorted(tuple(t.shape) for t in ours.values())
    torch.save(cardinet.create("resnet18").state_dict(), tmp_path / "w.pth")
    said = cardinet.load_weights(cardinet.create("resnet18"), tmp_path / "w.pth").sentences()
    assert any("timm:resnetblur18 has the same tensors but another function" in sentence for sentence in said)


def test_names_of_other_libraries_are_found() -> None:
    bare = {peer.partition(":")[2] for peer in PEERS} - NETWORKS.keys()
    assert len(bare) > 130
    found, unclear = 0, []
    for name in sorted(bare):
        try:
            find(name)
            found += 1
        except RequestError as error:
            unclear.append(str(error))
    assert found > 120
    assert all("is a name in other libraries; write one of: " in text for text in unclear)
    assert [row.id for row in matching("resnet50d")] == ["timm:resnet50d"]
    assert find("resnet50d").id == "timm:resnet50d"


def test_the_search_for_a_network_knows_other_libraries_and_no_clock() -> None:
    weights = Weights("w", cardinet.create("timm:resnet34d", device="meta").state_dict())
    assert nearest_network(cardinet.create("resnet34", device="meta"), weights) == "timm:resnet34d"
    assert (
        fitting_network(replace(weights, tensors=cardinet.create("resnet18", device="meta").state_dict())) == "resnet18"
    )
