"""Torch7's .t7 files: the released layouts by value, and files that lie about themselves."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import cardinet
from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.weights.match import fixed_settings
from cardinet.weights.weight_source import read_weights
from weights.drawn import TINY, drawn, same_tensors
from weights.t7_writer import Obj, Raw, dumps, network, sequential, storage, tensor, text

NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "ResNeXt, form c": ("resnext29_8x64d", {**TINY, "widths": (8, 16, 32)}),
    "ResNeXt, form b": ("resnext29_8x64d", {**TINY, "widths": (8, 16, 32), "form": "b"}),
    "ResNet, shortcut A": ("resnet20_cifar", TINY),
    "ResNet, shortcut B": ("resnet20_cifar", {**TINY, "kind": "B"}),
    "ResNet, shortcut C": ("resnet20_cifar", {**TINY, "kind": "C"}),
    "preresnet": ("preact110_cifar", {**TINY, "depths": (2, 2, 1), "boundary": "fb"}),
}


def written(path: Path, value: Any) -> Path:
    path.write_bytes(value if isinstance(value, bytes) else dumps(value))
    return path


@pytest.mark.parametrize("name", NETS)
def test_a_released_layout_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    id, delta = NETS[name]
    trained = drawn(id, 1, **delta)
    file = written(tmp_path / "a.t7", network(trained, 8))
    made = drawn(id, 2, **delta)
    match = cardinet.load_weights(made, file)
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(made(x), trained(x))
    assert not torch.equal(drawn(id, 2, **delta)(x), trained(x))
    assert len(NETS) == 6
    assert "has no names" in match.sentences()[0]
    assert (match.reinitialised, match.left_over) == ((), ())


def test_the_file_settles_the_padding(tmp_path: Path) -> None:
    file = written(tmp_path / "a.t7", network(drawn("resnet20_cifar", **TINY), 8))
    weights = read_weights(file)
    both = cardinet.create("resnet20_cifar", pad="both", **TINY)
    assert fixed_settings(both, weights)[0] == {"pad": "end"}
    assert fixed_settings(cardinet.create("resnet20_cifar", **TINY), weights)[0] == {}
    with pytest.raises(RequestError, match=r'has shortcut.pad = "both".*was trained with shortcut.pad = "end"'):
        cardinet.load_weights(both, file)
    with pytest.raises(RequestError, match=r'was trained with shortcut.pad = "end"'):  # the file knows better
        cardinet.load_weights(both, file, given=["pad"])


def test_the_file_settles_the_form(tmp_path: Path) -> None:
    id, delta = NETS["ResNeXt, form b"]
    file = written(tmp_path / "a.t7", network(drawn(id, **delta), 8))
    spec = cardinet.create(id, **delta, device="meta").spec.but(form="c")
    fixed, sentences = fixed_settings(cardinet.create(spec, device="meta"), read_weights(file))
    assert fixed == {"form": "b"}
    assert sentences == (f'The network is built with form = "b", as {file} shows.',)


def test_a_stride_in_another_place_is_found(tmp_path: Path) -> None:
    """The tensors are the same, and only the file's own layers tell."""
    delta = {**TINY, "widths": (8, 16, 32)}
    trained = drawn("resnext29_8x64d", 1, stride_at=0, **delta)
    file = written(tmp_path / "a.t7", network(trained, 8))
    made = drawn("resnext29_8x64d", 2, **delta)
    with pytest.raises(RequestError, match="compute something else: a setting that tensors do not show"):
        cardinet.load_weights(made, file)
    assert same_tensors(made, drawn("resnext29_8x64d", 2, **delta))
    cardinet.load_weights(drawn("resnext29_8x64d", 2, stride_at=0, **delta), file)


def test_another_number_of_classes_or_of_layers(tmp_path: Path) -> None:
    file = written(tmp_path / "a.t7", network(drawn("resnet20_cifar", 1, **TINY), 8))
    made = cardinet.create("resnet20_cifar", depths=(1, 1, 1), num_classes=3)
    assert cardinet.load_weights(made, file).reinitialised == ("fc.weight", "fc.bias")
    with pytest.raises(RequestError, match="it has 7 convolutions and the network 19"):
        cardinet.load_weights(cardinet.create("resnet20_cifar"), file)


def test_wrappings_and_what_is_no_network(tmp_path: Path) -> None:
    trained = drawn("resnet20_cifar", 1, **TINY)
    whole = network(trained, 8)
    wrapped: list[object] = [
        {"model": whole, "epoch": 3},
        Obj("nn.DataParallelTable", modules=[whole]),
        sequential(whole),
    ]
    for value in wrapped:
        made = cardinet.create("resnet20_cifar", **TINY)
        cardinet.load_weights(made, written(tmp_path / "a.t7", value))
        assert same_tensors(made, trained)
    others: list[object] = [{"epoch": 3}, [1, 2], {"model": 3}, {}]
    for value in others:
        with pytest.raises(RequestError, match="holds no network"):
            read_weights(written(tmp_path / "a.t7", value))
    with pytest.raises(RequestError, match="in text form; save it in binary"):
        read_weights(written(tmp_path / "a.t7", b"4\n1\n3\nV 1\n13\nnn.Sequential\n"))


def number(value: float) -> bytes:
    return struct.pack("<id", 1, value)


def field(name: str, value: bytes) -> bytes:
    return struct.pack("<ii", 2, len(name)) + name.encode() + value


def test_a_stream_as_torch7_writes_it(tmp_path: Path) -> None:
    """Spelt out after File.lua, Tensor.c and Storage.c of torch7, apart from the writer of the other tests.

    As after `getParameters` all tensors lie in one storage, which stands where the first of them is. Of the layers'
    other fields there are numbers, booleans of 4 bytes, storages of 8-byte longs, indices and a table in a table.
    """
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -1.0, -2.0]
    shared = struct.pack("<iii3si17sq8f", 4, 6, 3, b"V 1", 17, b"torch.CudaStorage", 8, *values)
    weight = struct.pack("<iii3si16si5q", 4, 5, 3, b"V 1", 16, b"torch.CudaTensor", 2, 2, 3, 3, 1, 1) + shared
    bias = struct.pack("<iii3si16si3q", 4, 7, 3, b"V 1", 16, b"torch.CudaTensor", 1, 2, 1, 7) + struct.pack("<ii", 4, 6)
    nothing = struct.pack("<iii3si16siqi", 4, 8, 3, b"V 1", 16, b"torch.CudaTensor", 0, 1, 0)
    sizes = struct.pack("<iii3si17sq4q", 4, 9, 3, b"V 1", 17, b"torch.LongStorage", 4, 8, 3, 32, 32)
    longs = struct.pack("<iii3si20siqqq", 4, 10, 3, b"V 1", 20, b"torch.CudaLongTensor", 1, 2, 1, 1)
    longs += struct.pack("<iii3si21sq2q", 4, 11, 3, b"V 1", 21, b"torch.CudaLongStorage", 2, 7, 2**40)
    table = struct.pack("<iii", 3, 12, 1) + number(1) + struct.pack("<iii", 3, 13, 0)
    fields = field("weight", weight) + field("bias", bias) + field("gradInput", nothing) + field("iSize", sizes)
    fields += field("indices", longs) + field("desc", table) + field("train", struct.pack("<ii", 5, 0))
    layer = struct.pack("<iii3si9siii", 4, 3, 3, b"V 1", 9, b"nn.Linear", 3, 4, 7) + fields
    modules = struct.pack("<iii", 3, 14, 1) + number(1) + layer
    whole = struct.pack("<iii3si13siii", 4, 1, 3, b"V 1", 13, b"nn.Sequential", 3, 2, 1) + field("modules", modules)
    found = read_weights(written(tmp_path / "a.t7", whole)).tensors
    assert found["0.weight"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found["0.bias"].tolist() == [-1, -2]
    old = whole.replace(struct.pack("<i3s", 3, b"V 1"), b"", 1)  # from before classes had versions
    assert read_weights(written(tmp_path / "a.t7", old)).tensors["0.bias"].tolist() == [-1, -2]


@pytest.mark.parametrize(("fields", "factor"), [({"v2": True}, 1), ({"v2": False}, 0.75), ({}, 0.75)])
def test_the_first_dropout_scales_when_testing(fields: dict[str, Any], factor: float, tmp_path: Path) -> None:
    drop = Obj("nn.Dropout", p=0.25, **fields)
    graph = read_weights(written(tmp_path / "a.t7", sequential(drop, Obj("nn.Identity")))).graph
    assert graph is not None
    assert torch.equal(graph(torch.ones(3)), torch.full((3,), factor))
    trained = drawn("resnet20_cifar", 1, **TINY)
    whole = network(trained, 8)
    whole.fields["modules"].insert(-1, drop)
    file = written(tmp_path / "a.t7", whole)
    if factor == 1:
        cardinet.load_weights(cardinet.create("resnet20_cifar", **TINY), file)
        return
    with pytest.raises(RequestError, match="compute something else"):
        cardinet.load_weights(cardinet.create("resnet20_cifar", **TINY), file)


LONG, INT = struct.Struct("<q"), struct.Struct("<i")
GOOD = storage([1, 2, 3, 4])


def holder(value: Any) -> bytes:
    """A file of one layer whose weight is the value."""
    return dumps(Obj("nn.Linear", weight=value, bias=None))


LIES: dict[str, bytes] = {
    "size beyond the storage": holder(tensor((2, 3), (3, 1), 1, GOOD)),
    "stride beyond the storage": holder(tensor((2, 2), (3, 1), 1, GOOD)),
    "negative stride": holder(tensor((2, 2), (-2, 1), 3, GOOD)),
    "negative size": holder(tensor((-2, 2), (2, 1), 1, GOOD)),
    "offset beyond the storage": holder(tensor((2, 2), (2, 1), 2, GOOD)),
    "offset far beyond": holder(tensor((2, 2), (2, 1), 2**62, GOOD)),
    "offset 0": holder(tensor((2, 2), (2, 1), 0, GOOD)),
    "negative offset": holder(tensor((2, 2), (2, 1), -3, GOOD)),
    "stride 0": holder(tensor((2**40, 2), (0, 1), 1, GOOD)),
    "sizes that overflow": holder(tensor((2**33, 2**33), (1, 1), 1, GOOD)),
    "many dimensions": holder(tensor((1,) * 9, (1,) * 9, 1, GOOD)),
    "negative dimensions": holder(Raw(INT.pack(4) + INT.pack(7) + text("torch.FloatTensor") + INT.pack(-1))),
    "no storage": holder(tensor((2, 2), (2, 1), 1, INT.pack(0))),
    "a number for a storage": holder(tensor((2, 2), (2, 1), 1, INT.pack(1) + bytes(8))),
    "a table for a storage": holder(tensor((2, 2), (2, 1), 1, dumps({"a": 1}))),
    "itself for a storage": holder(tensor((2, 2), (2, 1), 1, struct.pack("<ii", 4, 9001))),
    "a storage of another type": holder(tensor((2, 2), (2, 1), 1, GOOD, "torch.DoubleTensor")),
    "a huge storage": holder(tensor((2, 2), (2, 1), 1, storage([1.0], count=2**40))),
    "a storage whose bytes overflow": holder(tensor((2, 2), (2, 1), 1, storage([1.0], count=2**62))),
    "a negative storage": holder(tensor((2, 2), (2, 1), 1, storage([1.0], count=-1))),
    "a huge table": INT.pack(3) + INT.pack(1) + INT.pack(2**31 - 1),
    "a negative table": INT.pack(3) + INT.pack(1) + INT.pack(-1),
    "a huge string": INT.pack(3) + INT.pack(1) + INT.pack(1) + INT.pack(2) + INT.pack(2**31 - 1) + bytes(20),
    "a negative string": INT.pack(3) + INT.pack(1) + INT.pack(1) + INT.pack(2) + INT.pack(-1) + bytes(20),
    "a table as a key": INT.pack(3) + INT.pack(1) + INT.pack(1) + dumps({}) + INT.pack(0) + bytes(20),
    "no kind of value": INT.pack(3) + INT.pack(1) + INT.pack(1) + dumps("a") + INT.pack(99) + bytes(20),
    "a version that is none": INT.pack(4) + INT.pack(1) + text("V x") + text("nn.Linear") + dumps({}),
    "an object without fields": INT.pack(4) + INT.pack(1) + text("V 1") + text("nn.Linear") + dumps(3),
    "a function": INT.pack(3) + INT.pack(1) + INT.pack(1) + dumps("f") + INT.pack(8) + INT.pack(2) + bytes(20),
    "an unknown class": dumps(Obj("nn.Evil", a=1)),
    "a half tensor": holder(tensor((2, 2), (2, 1), 1, GOOD, "torch.CudaHalfTensor")),
}


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_lies_is_one_sentence(name: str, tmp_path: Path) -> None:
    assert len(LIES) == 31
    with pytest.raises((WorkError, RequestError)) as error:
        read_weights(written(tmp_path / "a.t7", LIES[name]))
    assert len(error.value.findings) == 1
    assert "damaged" in str(error.value) or "which" in str(error.value)


ROWS = torch.arange(12.0).reshape(4, 3).numpy()
STRANGE: dict[str, Any] = {
    "a layer that is a number": Obj("nn.Sequential", modules=[3]),
    "layers that are no list": Obj("nn.Sequential", modules={5: Obj("nn.Identity")}),
    "no layers": Obj("nn.Sequential"),
    "a linear layer of one dimension": Obj("nn.Linear", weight=torch.ones(4).numpy()),
    "no weight": Obj("nn.SpatialConvolution", nInputPlane=3, nOutputPlane=4, kW=3, kH=3, dW=1, dH=1),
    "no number": Obj("nn.SpatialConvolution", nInputPlane="3"),
    "half a number": Obj("nn.SpatialConvolution", nInputPlane=3.5, nOutputPlane=4),
    "nan": Obj("nn.MulConstant", constant_scalar=float("nan")),
    "no kernel": Obj("nn.SpatialMaxPooling", kW=0, kH=0, dW=1, dH=1),
    "groups that do not divide": Obj("nn.SpatialConvolution", nInputPlane=3, nOutputPlane=4, groups=2),
    "old statistics": Obj("nn.SpatialBatchNormalization", running_std=torch.ones(4).numpy()),
    "a sum for an average": Obj("nn.SpatialAveragePooling", kW=2, kH=2, divide=False),
    "a sum of before averages": Obj("nn.SpatialAveragePooling", kW=2, kH=2),
    "a transposed convolution": Obj(
        "nn.SpatialConvolution", nInputPlane=3, nOutputPlane=4, kW=1, kH=1, dW=1, dH=1, weight=ROWS.reshape(3, 4, 1, 1)
    ),
    "a dilated convolution": Obj(
        "nn.SpatialConvolution",
        **dict.fromkeys(("kW", "kH", "dW", "dH"), 1),
        **dict.fromkeys(("dilationW", "dilationH"), 2),
        nInputPlane=3,
        nOutputPlane=4,
        weight=ROWS.reshape(4, 3, 1, 1),
    ),
    "rows joined": Obj("nn.JoinTable", dimension=3),
    "a plain Linear": holder(tensor((2, 2), (2, 1), 1, GOOD)),
}


@pytest.mark.parametrize("name", STRANGE)
def test_fields_that_make_no_layer(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.t7", STRANGE[name])
    if name == "a plain Linear":
        assert torch.equal(read_weights(path).tensors["0.weight"], torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        return
    with pytest.raises(RequestError, match="holds a network that cannot be read"):
        read_weights(path)


@pytest.mark.parametrize(("name", "fields"), [("cudnn", {}), ("nn", {"divide": True})])
def test_a_pooling_that_averages(name: str, fields: dict[str, bool], tmp_path: Path) -> None:
    pool = Obj(f"{name}.SpatialAveragePooling", kW=2, kH=2, **fields)
    graph = read_weights(written(tmp_path / "a.t7", pool)).graph
    assert graph is not None
    assert torch.equal(graph(torch.ones(1, 1, 2, 2)), torch.ones(1, 1, 1, 1))


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 1, 1), (2, 2, 3, 1, 1)])
def test_the_shapes_of_a_convolution_in_row_major_order(shape: tuple[int, ...], tmp_path: Path) -> None:
    sides = {"nInputPlane": 3, "nOutputPlane": 4, "kW": 1, "kH": 1, "dW": 1, "dH": 1}
    path = written(tmp_path / "a.t7", Obj("nn.SpatialConvolutionMM", **sides, weight=ROWS.reshape(shape)))
    assert torch.equal(read_weights(path).tensors["0.weight"].flatten(1), torch.from_numpy(ROWS))


def test_objects_within_themselves(tmp_path: Path) -> None:
    loop = Obj("nn.Sequential", modules=[])
    loop.fields["modules"].append(loop)
    with pytest.raises(RequestError, match="nested without end"):
        read_weights(written(tmp_path / "a.t7", loop))
    nest = b"".join(INT.pack(3) + INT.pack(i) + INT.pack(1) + dumps("a") for i in range(1, 100_000))
    with pytest.raises(WorkError, match="nested more than 64 deep"):
        read_weights(written(tmp_path / "a.t7", nest))
    fan = Obj("nn.Identity")
    for _ in range(20):
        fan = Obj("nn.Sequential", modules=[fan, fan])
    with pytest.raises(RequestError, match="nested without end"):
        read_weights(written(tmp_path / "a.t7", fan))


def test_every_prefix_of_a_file_is_refused(tmp_path: Path) -> None:
    small = sequential(Obj("nn.Identity"), Obj("nn.Linear", weight=nn.Linear(3, 2).weight.detach().numpy()))
    data = dumps(small)
    path = tmp_path / "a.t7"
    read_weights(written(path, data))
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(CardinetError):
            read_weights(path)


def test_no_changed_byte_is_more_than_an_error(tmp_path: Path) -> None:
    small = sequential(Obj("nn.Identity"), Obj("nn.Linear", weight=nn.Linear(3, 2).weight.detach().numpy()))
    data, path, refused = dumps(small), tmp_path / "a.t7", 0
    for place in range(len(data)):
        for value in (0, 1, 0x7F, 0xFF):
            path.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
            try:
                read_weights(path)
            except CardinetError:
                refused += 1
    assert refused > len(data)


def test_without_torchfile_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchfile", None)
    with pytest.raises(RequestError, match=r'pip install "cardinet\[t7\]"'):
        read_weights(written(tmp_path / "a.t7", Obj("nn.Identity")))
