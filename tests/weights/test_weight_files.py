"""Parameters in the files of other programs: wrappers, prefixes, old checkpoints, and what must be refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError, WorkError
from cardinet.build.builder import build
from cardinet.networks.parts.stem import Stem
from cardinet.networks.residual import Residual
from cardinet.weights.contents import Weights
from cardinet.weights.match import Match, load, match
from cardinet.weights.read_file import WRAPPERS, read_file, read_header
from cardinet.weights.recognise import PREFIXES

SPEC = Residual(depths=(1, 1), widths=(4, 8), stem=Stem(layout="cifar", width=4), num_classes=5)


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {name: t.clone() for name, t in build(SPEC).state_dict().items()}


def read_state(path: Path) -> dict[str, Tensor]:
    return dict(read_file(path).tensors)


def load_matching(network: nn.Module, state: dict[str, Tensor]) -> Match:
    return load(network, Weights("a.pth", state))


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[n], expected[n]) for n in expected)


@pytest.mark.parametrize("prefix", [*PREFIXES, "backbone.", "student.module."])
@pytest.mark.parametrize("wrapper", ["", *WRAPPERS])
def test_wrappers_and_prefixes(wrapper: str, prefix: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    named = {f"{prefix}{name}": t for name, t in state.items()}
    torch.save({wrapper: named, "epoch": 3} if wrapper else named, tmp_path / "a.pth")
    network = build(SPEC)
    said = load(network, read_file(tmp_path / "a.pth")).sentences()
    assert same(network.state_dict(), state)
    under = f' from below "{prefix}"' if prefix else ""
    assert said[-1] == f"{len(state)} tensors loaded{under}."
    if wrapper:
        assert said[0] == f'Read the entry "{wrapper}" of {tmp_path}/a.pth; not used beside it: epoch.'


def test_wrappers_within_wrappers_and_prefixes_before_prefixes(state: dict[str, Tensor], tmp_path: Path) -> None:
    named = {f"module.model.{name}": t for name, t in state.items()}
    torch.save({"state_dict": {"model": named}}, tmp_path / "a.pth")
    network = build(SPEC)
    load(network, read_file(tmp_path / "a.pth"))
    assert same(network.state_dict(), state)


def test_safetensors_and_both_formats_of_torch(state: dict[str, Tensor], tmp_path: Path) -> None:
    safetensors.torch.save_file({n: t.contiguous() for n, t in state.items()}, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "new.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("a.safetensors", "new.pth", "old.pth"):
        assert same(read_state(tmp_path / name), state)


@pytest.mark.parametrize("length", [0x280, 0x380, 0x480, 0x580, 0x4B50])
def test_a_safetensors_file_whose_length_looks_like_another_format(length: int, tmp_path: Path) -> None:
    """It begins with the length of its header, whose bytes may be those of a pickle or of a zip."""
    for filler in range(length):
        data = safetensors.torch.save({"a": torch.ones(2)}, {"note": "x" * filler})
        if int.from_bytes(data[:8], "little") == length:
            break
    (tmp_path / "a.safetensors").write_bytes(data)
    assert data[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")
    assert torch.equal(read_state(tmp_path / "a.safetensors")["a"], torch.ones(2))


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, (f"touch '{self.mark}'",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_code_in_a_pickle_does_not_run(protocol: int, tmp_path: Path) -> None:
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil(tmp_path / "PWNED"), protocol))
    torch.save({"fc.weight": torch.zeros(2), "x": Evil(tmp_path / "PWNED")}, tmp_path / "zip.pth")
    for name in ("plain.pth", "zip.pth"):
        with pytest.raises(RequestError, match=r"could run code|is neither"):
            read_state(tmp_path / name)
        with pytest.raises(RequestError, match=r"a pickle|is neither"):
            read_header(tmp_path / name)
    assert not (tmp_path / "PWNED").exists()


def test_every_truncation_is_one_sentence(state: dict[str, Tensor], tmp_path: Path) -> None:
    safetensors.torch.save_file({n: t.contiguous() for n, t in state.items()}, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    cases = 0
    for name in ("a.safetensors", "a.pth", "old.pth"):
        data = (tmp_path / name).read_bytes()
        for length in (0, 1, 8, 9, 20, 100, len(data) // 2, len(data) - 1):
            (tmp_path / "cut").write_bytes(data[:length])
            with pytest.raises((WorkError, RequestError)) as error:
                read_state(tmp_path / "cut")
            assert len(error.value.findings) == 1
            assert str(error.value).endswith(".")
            cases += 1
    assert cases == 24


def test_what_is_no_state_dict(tmp_path: Path) -> None:
    contents: list[object] = [{"epoch": 3}, torch.zeros(2), [torch.zeros(2)], {"state_dict": {}}]
    for content in contents:
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(RequestError, match="holds no state dict"):
            read_state(tmp_path / "a.pth")
    with pytest.raises(RequestError, match="There is no file"):
        read_state(tmp_path / "nothere.pth")
    with pytest.raises(RequestError, match="is a folder; name a file"):
        read_state(tmp_path)


def test_all_is_loaded_and_said(state: dict[str, Tensor]) -> None:
    network = build(SPEC)
    found = load_matching(network, {**state, "extra": torch.zeros(1)})
    assert same(network.state_dict(), state)
    assert set(found.loaded) == state.keys()
    assert found.sentences() == [f"{len(state)} tensors loaded.", "Not used from the file: extra."]
    many = match(network, Weights("a.pth", {**state, **{f"extra{i}": torch.zeros(1) for i in range(9)}}))
    assert many.sentences()[-1] == "Not used from the file: extra0, extra1, extra2 and 6 more."


@pytest.mark.parametrize("lost", [(), ("fc.weight", "fc.bias"), ("fc.bias",)])
def test_another_classifier_is_drawn_anew_as_a_whole(lost: tuple[str, ...], state: dict[str, Tensor]) -> None:
    network = build(SPEC.but(num_classes=3) if not lost else SPEC)
    drawn = network.get_parameter("fc.weight").detach().clone()
    found = load_matching(network, {n: t for n, t in state.items() if n not in lost})
    assert found.reinitialised == ("fc.weight", "fc.bias")
    why = "the file has no fc.bias" if lost == ("fc.bias",) else "the file has none for these classes"
    assert f"New classifier: fc.weight, fc.bias initialised at random; {why}." in found.sentences()
    assert torch.equal(network.get_parameter("fc.weight"), drawn)
    assert torch.equal(network.get_parameter("conv1.weight"), state["conv1.weight"])


def test_old_checkpoints_without_a_count_of_batches(state: dict[str, Tensor]) -> None:
    network = build(SPEC)
    load_matching(network, {n: t for n, t in state.items() if not n.endswith("num_batches_tracked")})
    assert network.get_buffer("bn1.num_batches_tracked") == 0
    assert torch.equal(network.get_buffer("bn1.running_var"), state["bn1.running_var"])


def test_a_mismatch_names_the_tensors_and_changes_nothing(state: dict[str, Tensor]) -> None:
    network = build(SPEC)
    before = {n: t.clone() for n, t in network.state_dict().items()}
    wrong = {f"net.{n}" if n.startswith("bn1") else n: t for n, t in state.items()}
    wrong["conv1.weight"] = torch.zeros(4, 1, 3, 3)
    with pytest.raises(RequestError) as error:
        load_matching(network, wrong)
    message = str(error.value)
    assert "conv1.weight is 4 x 1 x 3 x 3 in the file and 4 x 3 x 3 x 3 in the network" in message
    assert "bn1.weight is missing in the file; bn1.bias is missing in the file" in message
    assert "and 1 more" in message
    assert "Names that only the file has: net.bn1.weight, net.bn1.bias, net.bn1.running_mean and 2 more." in message
    assert same(network.state_dict(), before)


def test_a_match_needs_no_memory(state: dict[str, Tensor]) -> None:
    assert len(match(build(SPEC, device="meta"), Weights("a.pth", state)).loaded) == len(state)
