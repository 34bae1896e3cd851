"""What is in a file and is not simply loaded: all of it is said, and what may be another network is refused."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import struct
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import cardinet
from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.networks.registry import PEERS
from cardinet.weights.contents import Weights
from cardinet.weights.match import load, match
from cardinet.weights.printable import printable
from cardinet.weights.read_file import read_file
from cardinet.weights.weight_source import read_weights
from weights.drawn import drawn, same_tensors

SHORT: dict[str, Any] = {"depths": (1, 1, 1, 1), "num_classes": 7}


@pytest.fixture(scope="module")
def trained() -> Any:
    return drawn("resnet18", **SHORT)


def state_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in network.state_dict().items() if "tracked" not in name}


def fresh() -> Any:
    return cardinet.create("resnet18", **SHORT)


TENSORFLOW = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
OTHERS = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "var"}
NOBODYS = {"weight": "p", "bias": "q", "running_mean": "r", "running_var": "s"}


def renamed(state: dict[str, Tensor], roles: dict[str, str], *, by_name: bool) -> dict[str, Tensor]:
    """Tensors with other words for their roles, those of a BN in their own order or sorted by these words."""
    found: dict[str, Tensor] = {}
    for layer, group in groupby(state, key=lambda name: name.rpartition(".")[0]):
        names = [name.rpartition(".")[2] for name in group]
        words = {f"net/{layer}/{roles[role] if len(names) == 4 else role}": f"{layer}.{role}" for role in names}
        found |= {word: state[words[word]] for word in (sorted(words) if by_name else words)}
    return found


@pytest.mark.parametrize("roles", [TENSORFLOW, OTHERS])
def test_roles_have_other_words_and_their_order_tells(roles: dict[str, str], trained: Any) -> None:
    made = fresh()
    load(made, Weights("a.pth", renamed(state_of(trained), roles, by_name=False)))
    assert all(torch.equal(t, state_of(trained)[name]) for name, t in state_of(made).items())
    with pytest.raises(RequestError, match=r"conv1\.weight is missing in the file"):
        load(made, Weights("a.pth", renamed(state_of(trained), roles, by_name=True)))


def test_unknown_words_for_tensors_of_one_shape_are_refused(trained: Any) -> None:
    with pytest.raises(RequestError, match=r"conv1\.weight is missing in the file"):
        load(fresh(), Weights("a.pth", renamed(state_of(trained), NOBODYS, by_name=False)))


@pytest.mark.long
def test_blocks_in_the_order_of_their_names_are_refused() -> None:
    deep = drawn("resnet20_cifar", kind="B", depths=(1, 1, 12))
    names = {name.replace("layer", "group").replace(".", "_", 1): t for name, t in state_of(deep).items()}
    load(cardinet.create(deep.spec), Weights("a.pth", names))
    body = sorted((name for name in names if name.startswith("group3")), key=lambda name: name.split(".")[0])
    mixed = {n: names[n] for n in names if n not in body and "fc" not in n} | {n: names[n] for n in body}
    mixed |= {n: names[n] for n in names if n not in mixed}
    assert list(mixed) != list(names)
    with pytest.raises(RequestError, match=r"missing in the file"):
        load(cardinet.create(deep.spec), Weights("a.pth", mixed))


def test_known_names_of_another_network_are_not_taken_by_order() -> None:
    other = drawn("timm:resnet50c", **SHORT)
    with pytest.raises(RequestError, match=r"do not fit this network"):
        load(cardinet.create(PEERS["timm:resnet50d"].spec.but(**SHORT)), Weights("a.pth", other.state_dict()))


def test_a_variance_is_not_negative(trained: Any) -> None:
    wrong = {name: -t if "running_var" in name else t for name, t in state_of(trained).items()}
    with pytest.raises(RequestError, match=r"bn1\.running_var is negative in the file"):
        load(fresh(), Weights("a.pth", wrong))


def test_entries_that_are_no_tensors_are_said(trained: Any, tmp_path: Path) -> None:
    state = state_of(trained)
    torch.save({**state, "epoch": 3, "extra": [torch.ones(2)]}, tmp_path / "a.pth")
    said = load(fresh(), read_file(tmp_path / "a.pth")).sentences()
    assert said[-1] == "Not read: epoch (not a tensor but int), extra (not a tensor but list)."
    torch.save({**state, "fc.weight": state["fc.weight"].tolist()}, tmp_path / "a.pth")
    with pytest.raises(RequestError, match=r"fc\.weight is not a tensor but list in the file"):
        load(fresh(), read_file(tmp_path / "a.pth"))


@pytest.mark.parametrize(
    ("head", "prefix"),
    [("fc.1", ""), ("classifier", ""), ("head", ""), ("fc.1", "backbone."), ("head", "backbone."), ("head.fc", "net.")],
)
def test_a_classifier_of_another_name_is_loaded(head: str, prefix: str, trained: Any) -> None:
    state = {
        name.replace("fc.", f"{head}.") if "fc" in name else prefix + name: t
        for name, t in trained.state_dict().items()
    }
    made = fresh()
    found = load(made, Weights("a.pth", state))
    assert same_tensors(made, trained)
    assert f"The classifier is {head} there." in found.sentences()
    twice = {**state, "other.weight": state[f"{head}.weight"], "other.bias": state[f"{head}.bias"]}
    why = f"the file has no fc.weight; {head}.weight, other.weight have its shape."
    assert match(made, Weights("a.pth", twice)).sentences()[1].endswith(why)
    half = {name: t for name, t in state.items() if name != f"{head}.bias"}
    assert match(made, Weights("a.pth", half)).sentences()[1].endswith(f"{head}.weight has its shape.")


@pytest.mark.parametrize("inner", ["fc.0", "fc.norm"])
def test_the_last_of_several_layers_is_no_classifier(inner: str, trained: Any) -> None:
    state = {name.replace("fc.", "fc.2."): t for name, t in trained.state_dict().items()}
    state |= {f"{inner}.weight": torch.ones(512), f"{inner}.bias": torch.ones(512)}
    found = load(fresh(), Weights("a.pth", state))
    assert found.reinitialised == ("fc.weight", "fc.bias")
    assert "the file has no fc.weight; fc.2.weight has its shape" in found.why_new


@pytest.mark.parametrize("extra", ["layer1.0.gamma", "layer1.0.resweight", "bn1.alpha"])
def test_what_only_the_files_body_has_is_refused(extra: str, trained: Any) -> None:
    with pytest.raises(RequestError, match=f"the network has no {extra}"):
        load(fresh(), Weights("a.pth", {**state_of(trained), extra: torch.zeros(1)}))
    counted = {**state_of(trained), "layer1.0.total_ops": torch.zeros(1, dtype=torch.double)}
    load(fresh(), Weights("a.pth", counted))


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_tensors_without_plain_values_change_nothing(trained: Any) -> None:
    state, made = state_of(trained), fresh()
    before = {name: t.clone() for name, t in made.state_dict().items()}
    odd = {
        "sparse": state["fc.bias"].to_sparse(),
        "no values": state["fc.bias"].to("meta"),
        "quantised": torch.quantize_per_tensor(state["fc.bias"], 0.1, 0, torch.qint8),
    }
    for word, tensor in odd.items():
        with pytest.raises(RequestError, match=rf"fc\.bias .*{word}"):
            load(made, Weights("a.pth", {**state, "fc.bias": tensor}))
    assert all(torch.equal(t, before[name]) for name, t in made.state_dict().items())
    said = load(made, Weights("a.pth", {**state, "fc.bias": state["fc.bias"] * torch.nan})).sentences()
    assert said[0] == "NaN or infinite values in the file: fc.bias."


def test_a_module_of_another_program_is_no_network(trained: Any, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Linear is not a network of Cardinet"):
        load(nn.Linear(2, 2), Weights("a.pth", state_of(trained)))
    with pytest.raises(RequestError, match="Linear is not a network of Cardinet"):
        cardinet.save_weights(nn.Linear(2, 2), tmp_path / "a.pth")  # type: ignore[arg-type]


def test_a_wrapper_within_itself_has_an_end(tmp_path: Path) -> None:
    endless: dict[str, Any] = {}
    endless["model"] = endless
    torch.save(endless, tmp_path / "a.pth")
    with pytest.raises(RequestError, match="holds no state dict"):
        read_file(tmp_path / "a.pth")


def test_entries_with_tensors_are_named(trained: Any, tmp_path: Path) -> None:
    torch.save({"body": state_of(trained), "head": {"w": torch.ones(1)}}, tmp_path / "a.pth")
    number = len(state_of(trained))
    with pytest.raises(RequestError, match=rf"entries with tensors in them: body \({number}\), head \(1\)"):
        read_file(tmp_path / "a.pth")
    torch.save({**state_of(trained), "net": {}}, tmp_path / "a.pth")
    load(fresh(), read_file(tmp_path / "a.pth"))


def test_names_are_printed_on_one_line(trained: Any) -> None:
    assert printable("a\x1b[31m\nerror: x") == "a\\x1b[31m\\nerror: x"
    assert printable("y" * 3000) == "y" * 80 + "..."
    said = load(fresh(), Weights("a.pth", {**state_of(trained), "x\n\x1b": torch.ones(1)})).sentences()
    assert said[-1] == "Not used from the file: x\\n\\x1b."


def test_only_whole_networks_under_a_prefix_count(trained: Any) -> None:
    deeper = cardinet.create("resnet18", depths=(2, 1, 1, 1), num_classes=7).state_dict()
    state = {f"teacher.{n}": t for n, t in deeper.items()} | {
        f"student.{n}": t for n, t in trained.state_dict().items()
    }
    made = fresh()
    assert load(made, Weights("a.pth", state)).prefix == "student."
    assert same_tensors(made, trained)


def test_the_network_itself_is_not_named_as_the_one_that_fits() -> None:
    state = cardinet.create("resnet18").state_dict()
    with pytest.raises(RequestError, match=r"1000 x 512, its transpose in the network\. Name the network"):
        match(cardinet.create("resnet18"), Weights("a.pth", {**state, "fc.weight": state["fc.weight"].t()}))


SOURCES: dict[Any, str] = {
    "torchvison:resnet18": 'there is no kind "torchvison" \\(nearest: torchvision',
    "pytorchcv:resnet18": "pytorchcv's weights are not fetched here",
    "https://example.org/a.pth": "is an address; fetch the file",
    "timm:": "timm: needs a name",
    "": "names no weights",
    None: "names no weights",
    "a\0b": "is not a file name",
    "a" * 300: "cannot be read",
}


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_no_source(source: Any) -> None:
    with pytest.raises(RequestError, match=SOURCES[source]):
        read_weights(source)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_what_is_no_file_of_weights(trained: Any, tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), tmp_path / "script.pt")
    (tmp_path / "lfs.pth").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "web.pth").write_bytes(b"<!DOCTYPE html>")
    for name, sentence in {"script.pt": "TorchScript", "lfs.pth": "git lfs pull", "web.pth": "web page"}.items():
        with pytest.raises(RequestError, match=sentence):
            read_file(tmp_path / name)
    cardinet.save_weights(trained, tmp_path / "model.safetensors")
    assert read_weights(tmp_path).spec == trained.spec


class Foreign:
    """Anything of a program that torch does not know."""


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_another_program_is_not_called_damaged(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    for value, holds in ({"a": [1, 2]}, ""), ({"a": Foreign()}, r" of \S*test_doubts\.Foreign"), (3, ""):
        path.write_bytes(pickle.dumps(value, protocol))
        with pytest.raises(RequestError, match=rf"a\.pkl is a pickle{holds} that torch\.save did not write"):
            read_file(path)
    path.write_bytes(pickle.dumps({str(i): i for i in range(200_000)}, protocol))
    with pytest.raises(RequestError, match=r"is a pickle that torch\.save did not write"):
        read_file(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_pickle_protocol_of_a_checkpoint(protocol: int, zipped: bool, trained: Any, tmp_path: Path) -> None:
    torch.save(state_of(trained), tmp_path / "a.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    if protocol <= 3:
        load(fresh(), read_file(tmp_path / "a.pth"))
        return
    with pytest.raises(RequestError, match=rf"was saved with pickle protocol {protocol}, which cannot be read"):
        read_file(tmp_path / "a.pth")


def test_what_a_checkpoint_holds_beside_tensors_is_named(trained: Any, tmp_path: Path) -> None:
    torch.save({"state_dict": state_of(trained), "args": argparse.Namespace(lr=0.1)}, tmp_path / "a.pth")
    with pytest.raises(RequestError, match=r"holds more than tensors \(argparse\.Namespace\)"):
        read_file(tmp_path / "a.pth")


def test_a_changed_byte_in_a_checkpoint_changes_no_weight(tmp_path: Path) -> None:
    """torch.load does not look at the checksums of its own files."""
    state = {"a": torch.arange(200.0), "b": torch.ones(3)}
    torch.save(state, tmp_path / "a.pth")
    data, read = (tmp_path / "a.pth").read_bytes(), 0
    for place in [*range(0, len(data), 7), *range(len(data) - 600, len(data))]:
        (tmp_path / "b.pth").write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            found = read_file(tmp_path / "b.pth").tensors
        except CardinetError:
            continue
        read += 1
        assert all(torch.equal(found[name], state[name]) for name in state)
    assert read  # what no reader looks at
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state, tmp_path / "c.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_file(tmp_path / "c.pth").tensors["a"], state["a"])


def headed(path: Path, kind: str, size: int, length: int) -> Path:
    """A safetensors file of one tensor of a kind, whose header is so long."""
    head = json.dumps({"a": {"dtype": kind, "shape": [size], "data_offsets": [0, 6]}}).encode().ljust(length)
    path.write_bytes(struct.pack("<Q", len(head)) + head + bytes(6))
    return path


def test_safetensors_of_other_writers(tmp_path: Path) -> None:
    path = headed(tmp_path / "a.safetensors", "U8", 6, ord("<") + 256)  # begins as a web page does
    assert torch.equal(read_file(path).tensors["a"], torch.zeros(6, dtype=torch.uint8))
    with pytest.raises(WorkError, match="F6_E2M3"):
        read_file(headed(path, "F6_E2M3", 8, 128))


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pth")
    with pytest.raises(RequestError, match=r"a\.pth is not a regular file"):
        read_file(tmp_path / "a.pth")


def test_narrow_floating_point_needs_a_scale(trained: Any) -> None:
    state = state_of(trained)
    for name in ("conv1.weight", "bn1.running_var"):
        narrow = {**state, name: state[name].to(torch.float8_e4m3fn)}
        with pytest.raises(RequestError, match=rf"{name} holds float8_e4m3fn in the file, which needs a scale"):
            load(fresh(), Weights("a.pth", narrow))


def test_names_of_a_file_never_reach_the_terminal_raw(trained: Any) -> None:
    state = state_of(trained)
    evil = "\x1b[2J"
    head = {name.replace("fc", f"{evil}x") if "fc" in name else name: t for name, t in state.items()}
    order = {f"{evil}{i}": t for i, t in enumerate(state.values())}
    for found in (head, order):
        said = "".join(load(fresh(), Weights("a.pth", found)).sentences())
        assert "\x1b" not in said
        assert "\\x1b" in said
    twice = {f"{evil}{i}.{name}": t for i in range(2) for name, t in state.items()}
    with pytest.raises(RequestError, match=r"several times, under \"\\x1b"):
        load(fresh(), Weights("a.pth", twice))


@pytest.mark.parametrize("text", ["[" * 5000, "[1, 2]", "{}"])
def test_a_description_that_is_none(text: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors", {"cardinet_spec": text})
    with pytest.raises(CardinetError) as error:
        read_file(tmp_path / "a.safetensors")
    assert isinstance(error.value, WorkError)
