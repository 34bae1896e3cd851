"""Writing Torch7's binary files, as torch.save of Torch7 does: for tests only."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from cardinet.blocks.shortcut import ZeroPad
from inside import inside


class Obj:
    """An object of a Torch7 class with its fields."""

    def __init__(self, name: str, **fields: Any) -> None:
        self.name, self.fields = name, fields


class Raw:
    """Bytes that stand where a value would."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def tensor(
    sizes: Sequence[int], strides: Sequence[int], offset: int, storage: bytes, name: str = "torch.FloatTensor"
) -> Raw:
    """A tensor as the stream says it is, true or not; `storage` is a whole value."""
    head = struct.pack("<ii", 4, 9001) + text("V 1") + text(name) + struct.pack("<i", len(sizes))
    return Raw(head + struct.pack(f"<{2 * len(sizes) + 1}q", *sizes, *strides, offset) + storage)


def storage(values: Sequence[float], index: int = 9002, count: int | None = None) -> bytes:
    """A FloatStorage; `count` is what it claims to hold."""
    head = struct.pack("<ii", 4, index) + text("V 1") + text("torch.FloatStorage")
    return head + struct.pack("<q", len(values) if count is None else count) + struct.pack(f"<{len(values)}f", *values)


def text(words: str) -> bytes:
    return struct.pack("<i", len(words)) + words.encode()


def dumps(value: Any) -> bytes:
    """The stream of one value; an object that stands twice is written once and named again."""
    return _Writer().value(value)


class _Writer:
    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []

    def value(self, value: Any) -> bytes:
        if value is None:
            return struct.pack("<i", 0)
        if isinstance(value, Raw):
            return value.data
        if isinstance(value, bool):
            return struct.pack("<ii", 5, value)
        if isinstance(value, int | float):
            return struct.pack("<id", 1, value)
        if isinstance(value, str):
            return struct.pack("<i", 2) + text(value)
        kind = 3 if isinstance(value, dict | list) else 4
        if id(value) in self.seen:
            return struct.pack("<ii", kind, self.seen[id(value)])
        self.kept.append(value)
        self.seen[id(value)] = len(self.kept)
        head = struct.pack("<ii", kind, len(self.kept))
        if isinstance(value, list):
            return head + self.pairs(dict(enumerate(value, 1)))
        if isinstance(value, dict):
            return head + self.pairs(value)
        if isinstance(value, np.ndarray):
            return head + self.array(np.ascontiguousarray(value, np.float32))
        return head + text("V 1") + text(value.name) + self.value(value.fields)

    def pairs(self, fields: Mapping[Any, Any]) -> bytes:
        return struct.pack("<i", len(fields)) + b"".join(self.value(k) + self.value(v) for k, v in fields.items())

    def array(self, array: np.ndarray) -> bytes:
        self.kept.append(array)
        strides = [stride // array.itemsize for stride in array.strides]
        return (
            text("V 1")
            + text("torch.FloatTensor")
            + struct.pack("<i", array.ndim)
            + struct.pack(f"<{2 * array.ndim + 1}q", *array.shape, *strides, 1)
            + storage(array.ravel().tolist(), len(self.kept))
        )


def sequential(*modules: Obj) -> Obj:
    return Obj("nn.Sequential", modules=list(modules), train=False, _type="torch.FloatTensor")


def conv(module: nn.Conv2d) -> Obj:
    assert not isinstance(module.padding, str)
    (kh, kw), (dh, dw), (ph, pw) = module.kernel_size, module.stride, module.padding
    sides = {"kH": kh, "kW": kw, "dH": dh, "dW": dw, "padH": ph, "padW": pw}
    return Obj(
        "cudnn.SpatialConvolution",
        nInputPlane=module.in_channels,
        nOutputPlane=module.out_channels,
        groups=module.groups,
        weight=module.weight.detach().contiguous().numpy(),
        **sides,
    )


def norm(module: nn.BatchNorm2d) -> Obj:
    names = ("weight", "bias", "running_mean", "running_var")
    fields = {name: getattr(module, name).detach().numpy() for name in names}
    return Obj("nn.SpatialBatchNormalization", eps=module.eps, momentum=0.1, affine=True, nDim=4, **fields)


def linear(module: nn.Linear) -> Obj:
    return Obj("nn.Linear", weight=module.weight.detach().numpy(), bias=module.bias.detach().numpy())


def relu() -> Obj:
    return Obj("cudnn.ReLU", inplace=True)


def shortcut(module: nn.Module) -> Obj:
    if isinstance(module, nn.Sequential):
        return sequential(conv(inside(module, "0", nn.Conv2d)), norm(inside(module, "1", nn.BatchNorm2d)))
    if isinstance(module, ZeroPad):
        pool = Obj("nn.SpatialAveragePooling", kW=1, kH=1, dW=module.stride, dH=module.stride, padW=0, padH=0)
        zeros = Obj("nn.MulConstant", constant_scalar=0, inplace=False)
        return sequential(pool, Obj("nn.Concat", dimension=2, modules=[Obj("nn.Identity"), zeros]))
    return Obj("nn.Identity")


def layers(unit: Any, names: Sequence[str]) -> list[Obj]:
    """The named children of one of our units, one after another."""
    makers: dict[str, Callable[..., Obj]] = {"conv": conv, "bn": norm}
    return [relu() if n == "relu" else makers[n.rstrip("1234")](getattr(unit, n)) for n in names]


def transform(unit: Any) -> list[Obj]:
    """The branch of a unit: layer by layer, or in form b as branches that are joined."""
    if not hasattr(unit, "branches"):
        return layers(unit, [name for step in unit.steps for name in step])
    split = [sequential(*layers(b, ("conv1", "bn1", "relu", "conv2", "bn2", "relu"))) for b in unit.branches]
    return [
        Obj("nn.ConcatTable", modules=split),
        Obj("nn.JoinTable", dimension=2),
        *layers(unit, ("conv3", "bn3")),
    ]


def block(unit: Any) -> Obj:
    """A residual unit. The layers before it feed only the branch, or the shortcut too."""
    pre = layers(unit, getattr(unit, "pre_names", ()))
    shared, own = (pre, []) if unit.shares_pre else ([], pre)
    fork = Obj("nn.ConcatTable", modules=[sequential(*own, *transform(unit)), shortcut(unit.downsample)])
    return sequential(*shared, fork, Obj("nn.CAddTable", inplace=True), *(relu() for _ in unit.after_names))


def network(made: Any, side: int) -> Obj:
    """One of our networks for CIFAR as fb.resnet.torch's and ResNeXt's code lays it out, for a last map of `side`."""
    body = []
    for name in made.body_names:
        child = getattr(made, name)
        body.append(sequential(*map(block, child)) if name.startswith("layer") else layer(child))
    pool = Obj("cudnn.SpatialAveragePooling", kW=side, kH=side, dW=1, dH=1, padW=0, padH=0)
    return sequential(*body, pool, Obj("nn.View", numElements=made.num_features, numInputDims=3), linear(made.fc))


def layer(module: nn.Module) -> Obj:
    if isinstance(module, nn.Conv2d):
        return conv(module)
    return norm(module) if isinstance(module, nn.BatchNorm2d) else relu()
