"""Networks in Torch7's .t7 files: those of fb.resnet.torch and the released ResNeXts.

Such a file holds the network itself, as objects of nn.Sequential, nn.ConcatTable, nn.SpatialConvolution and so on. It
is turned into the torch network that it describes, with the layers in call order. That network also proves that the
loaded one computes the same.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import linear

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.rounding import ROUNDING
from cardinet.blocks.training_mode import eval_mode
from cardinet.weights.contents import Weights
from cardinet.weights.torch7_check import DEEPEST, check_torch7

MOST_LAYERS = 50_000
"""The most layers of one network; a file may refer to one object many times."""
LARGEST = 100_000
LARGEST_SIDE = 1024


class Fork(nn.ModuleList):
    """nn.ConcatTable: every child on the same input."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return [child(x) for child in self]


class Sum(nn.Module):
    """nn.CAddTable."""

    def forward(self, x: list[Tensor]) -> Tensor:
        return functools.reduce(torch.add, x)


class Join(nn.Module):
    """nn.JoinTable along the channels."""

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat(x, dim=1)


class Times(nn.Module):
    """nn.MulConstant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Fields:
    """The fields of one object, read with type and range. A wrong field raises _Strange."""

    def __init__(self, name: str, fields: Mapping[Any, Any], room: str = "nn") -> None:
        self.name, self.fields, self.room = name, fields, room

    def number(self, key: str, default: float | None = None) -> float:
        value = self.fields.get(key.encode(), default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _Strange(f"{self.name}.{key} is {value!r:.40}")
        return value

    def whole(self, key: str, default: int | None = None, least: int = 0) -> int:
        value = self.number(key, default)
        if value != int(value) or not least <= value <= LARGEST:
            raise _Strange(f"{self.name}.{key} is {value!r:.40}")
        return int(value)

    def pair(self, letter: str, default: int | None = None, least: int = 0) -> tuple[int, int]:
        """Height and width: kH and kW, dH and dW, padH and padW."""
        return self.whole(f"{letter}H", default, least), self.whole(f"{letter}W", default, least)

    def tensor(self, key: str, *shape: int) -> nn.Parameter | None:
        """A tensor in the given shape, which it must be able to take; None if it is empty or missing."""
        value = self.fields.get(key.encode())
        if value is None or (isinstance(value, np.ndarray) and value.size == 0):
            return None
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or not _same_order(value.shape, shape):
            raise _Strange(f"{self.name}.{key} is not a tensor of {' x '.join(map(str, shape))}")
        numbers = np.ascontiguousarray(value, np.float32)
        return nn.Parameter(torch.from_numpy(numbers).reshape(shape), requires_grad=False)

    def needed(self, key: str, *shape: int) -> nn.Parameter:
        if (value := self.tensor(key, *shape)) is None:
            raise _Strange(f"{self.name} has no {key}")
        return value


def _same_order(there: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a tensor has this shape, as it is, as rows (SpatialConvolutionMM), or with the groups in front."""
    rows = (shape[0], math.prod(shape[1:]))
    return there in (shape, rows) or (there[2:] == shape[1:] and math.prod(there[:2]) == shape[0])


class _Strange(Exception):
    """An object whose fields do not make a layer."""


def _convolution(f: Fields) -> nn.Module:
    w_in, w_out, groups = f.whole("nInputPlane", least=1), f.whole("nOutputPlane", least=1), f.whole("groups", 1, 1)
    if w_in % groups or w_out % groups:
        raise _Strange(f"{f.name} has {w_in} and {w_out} channels in {groups} groups")
    kernel, stride, pad = f.pair("k", least=1), f.pair("d", least=1), f.pair("pad", 0)
    if f.pair("dilation", 1) != (1, 1):
        raise _Strange(f"{f.name} is dilated")
    weight, bias = f.needed("weight", w_out, w_in // groups, *kernel), f.tensor("bias", w_out)
    made = nn.Conv2d(w_in, w_out, kernel, stride, pad, groups=groups, bias=bias is not None, device="meta")
    made.weight = weight
    made.register_parameter("bias", bias)
    return made


def _normalisation(f: Fields) -> nn.Module:
    width = getattr(f.fields.get(b"running_var"), "size", 0)
    if not isinstance(width, int) or width < 1:
        raise _Strange(f"{f.name} has no running_var; load and save the network with a newer Torch7")
    made = nn.BatchNorm2d(width, eps=f.number("eps", 1e-5), device="meta")
    made.weight, made.bias = f.needed("weight", width), f.needed("bias", width)
    made.running_mean, made.running_var = f.needed("running_mean", width).data, f.needed("running_var", width).data
    made.num_batches_tracked = None
    return made


def _linear(f: Fields) -> nn.Module:
    shape: tuple[int, ...] = getattr(f.fields.get(b"weight"), "shape", ())
    if len(shape) != 2 or 0 in shape:
        raise _Strange(f"{f.name}.weight is not a matrix")
    bias = f.tensor("bias", shape[0])
    made = nn.Linear(shape[1], shape[0], bias=bias is not None, device="meta")
    made.weight = f.needed("weight", *shape)
    made.register_parameter("bias", bias)
    return made


def _max_pool(f: Fields) -> nn.Module:
    ceil = f.fields.get(b"ceil_mode") is True
    return nn.MaxPool2d(f.pair("k", least=1), f.pair("d", least=1), f.pair("pad", 0), ceil_mode=ceil)


def _average_pool(f: Fields) -> nn.Module:
    # If the field is missing, as in old files, nn multiplies by the area and cudnn does not.
    if f.fields.get(b"divide", f.room != "nn") is not True and f.pair("k", least=1) != (1, 1):
        raise _Strange(f"{f.name} sums instead of averaging")
    inside = f.fields.get(b"count_include_pad", True) is not False
    return nn.AvgPool2d(
        f.pair("k", least=1),
        f.pair("d", 1, least=1),
        f.pair("pad", 0),
        ceil_mode=f.fields.get(b"ceil_mode") is True,
        count_include_pad=inside,
    )


def _dropout(f: Fields) -> nn.Module:
    """nn.Dropout. Its first version scales in evaluation, its second (v2) in training."""
    return nn.Identity() if f.fields.get(b"v2") is True else Times(1 - f.number("p"))


def _join(f: Fields) -> nn.Module:
    if f.whole("dimension") != 2:
        raise _Strange(f"{f.name} joins dimension {f.whole('dimension')}, and the channels are 2")
    return Join()


CONTAINERS: dict[str, Callable[[Fields, list[nn.Module]], nn.Module]] = {
    "Sequential": lambda f, children: nn.Sequential(*children),
    "ConcatTable": lambda f, children: Fork(children),
    "Concat": lambda f, children: nn.Sequential(Fork(children), _join(f)),
    "DataParallelTable": lambda f, children: nn.Sequential(*children[:1]),
}
LAYERS: dict[str, Callable[[Fields], nn.Module]] = {
    "SpatialConvolution": _convolution,
    "SpatialConvolutionMM": _convolution,
    "SpatialBatchNormalization": _normalisation,
    "Linear": _linear,
    "ReLU": lambda f: nn.ReLU(),
    "SpatialMaxPooling": _max_pool,
    "SpatialAveragePooling": _average_pool,
    "CAddTable": lambda f: Sum(),
    "JoinTable": _join,
    "MulConstant": lambda f: Times(f.number("constant_scalar")),
    "View": lambda f: nn.Flatten(),
    "Reshape": lambda f: nn.Flatten(),
    "Identity": lambda f: nn.Identity(),
    "Copy": lambda f: nn.Identity(),
    "Dropout": _dropout,
}
CLASSES = {f"{room}.{name}" for room in ("nn", "cudnn", "cunn", "fbnn") for name in (*CONTAINERS, *LAYERS)}


def read_torch7(path: Path) -> Weights:
    """The network in a binary .t7 file, or under `model` in a table.

    Raises RequestError for other contents and if torchfile is not installed, WorkError for a damaged file.
    """
    try:
        library: Any = importlib.import_module("torchfile")
    except ImportError:
        raise RequestError(
            f'{path} is a Torch7 file; reading it needs torchfile: pip install "cardinet[t7]".'
        ) from None
    with open(path, "rb") as file:
        if file.read(2) in (b"4\n", b"3\n"):
            raise RequestError(f"{path} is a Torch7 file in text form; save it in binary: torch.save(FILE, network).")
        file.seek(0)
        check_torch7(file, path, CLASSES)
        for name, reader in (("Storage", library.add_storage_reader), ("Tensor", library.add_tensor_reader)):
            reader(f"torch.CudaLong{name}".encode(), dtype=np.int64)  # newer max poolings keep their indices in it
        try:
            found = library.T7Reader(file, use_list_heuristic=False).read_obj()
        except (library.T7ReaderException, OSError, ValueError, TypeError, ArithmeticError, EOFError) as error:
            raise WorkError(f"{path} is damaged or truncated ({error}); fetch or make it again.") from error
    if isinstance(found, dict):
        found = found.get(b"model")
    if not isinstance(found, library.TorchObject):
        raise RequestError(f"{path} holds no network (an object of nn.Sequential, or one under `model`).")
    try:
        graph = nn.Sequential(*_flat(_Maker().module(found))).eval()
    except _Strange as error:
        raise RequestError(f"{path} holds a network that cannot be read: {error}.") from None
    return Weights(str(path), dict(graph.state_dict()), settings=_settings(graph), graph=graph)


def _flat(graph: nn.Module) -> list[nn.Module]:
    """The top layers in order, without the nn.Sequential objects around all of them."""
    while isinstance(graph, nn.Sequential) and len(graph) == 1:
        graph = graph[0]
    return list(graph) if isinstance(graph, nn.Sequential) else [graph]


class _Maker:
    """Turns objects into modules. An object that occurs twice becomes one module; every occurrence is counted."""

    def __init__(self) -> None:
        self.count = 0
        self.layers: dict[int, nn.Module] = {}

    def module(self, found: Any, depth: int = 0) -> nn.Module:
        self.count += 1
        if self.count > MOST_LAYERS or depth > DEEPEST:
            raise _Strange("its layers are nested without end")
        room, _, name = getattr(found, "_typename", b"").decode("ascii", "replace").rpartition(".")
        fields = getattr(found, "_obj", None)
        if not isinstance(fields, dict):
            raise _Strange("a layer is not an object")
        if name in LAYERS:
            if id(found) not in self.layers:
                self.layers[id(found)] = LAYERS[name](Fields(name, fields, room))
            return self.layers[id(found)]
        if name not in CONTAINERS:
            raise _Strange(f"{name} is not a layer")
        children = fields.get(b"modules")
        if not isinstance(children, dict) or set(children) != set(range(1, len(children) + 1)):
            raise _Strange(f"{name} has no list of layers")
        made = [self.module(children[i + 1], depth + 1) for i in range(len(children))]
        return CONTAINERS[name](Fields(name, fields, room), made)


def _settings(graph: nn.Module) -> dict[str, Any]:
    """Settings that the graph shows and tensors do not: the side on which shortcut A pads, and branches (form b)."""
    found: dict[str, Any] = {}
    for module in graph.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[0], Fork):
            children = list(module[0])
            zeros = [isinstance(child, Times) and child.factor == 0 for child in children]
            if isinstance(module[1], Join) and zeros == [False, True]:
                found["pad"] = "end"
            elif isinstance(module[1], Join) and len(children) > 1 and not any(zeros):
                found["form"] = "b"
    return found


def require_same_function(network: nn.Module, tensors: Mapping[str, Tensor], weights: Weights) -> None:
    """Raise RequestError unless the network with these tensors computes the same as the file's own layers.

    Both get one random picture of the size for which the file's pooling is made. The network's classifier is put on the
    file's features, so that a new classifier makes no difference.
    """
    graph = weights.graph
    assert isinstance(graph, nn.Sequential)
    body = graph[:-1] if isinstance(graph[-1], nn.Linear) else graph
    state = {name: _real(tensor.detach().cpu()) for name, tensor in {**network.state_dict(), **tensors}.items()}
    try:
        with eval_mode(network), torch.no_grad():
            x = _picture(network, body)
            expected = linear(body(x), state["fc.weight"], state["fc.bias"])
            got = functional_call(network, state, x)
        same = bool((got - expected).abs().max() <= ROUNDING * expected.abs().max())
    except (RuntimeError, TypeError, AttributeError, ValueError, ArithmeticError, IndexError):  # no chain
        same = False
    if not same:
        raise RequestError(
            f"{weights.source}: its tensors fit this network, but its layers compute something else: a setting that "
            "tensors do not show differs (the place of the stride, the order of BN and ReLU, a pad). Name the network "
            "that they were trained in."
        )


def _picture(network: Any, body: nn.Module) -> Tensor:
    """A random picture whose last feature map is as large as the last pooling."""
    pools = [pool.kernel_size for pool in body.modules() if isinstance(pool, nn.AvgPool2d)]
    last = pools[-1] if pools else 1
    side = network.spec.stride * (last if isinstance(last, int) else last[0])
    if side > LARGEST_SIDE:
        raise RuntimeError(f"a picture of {side} pixels")
    return torch.randn(1, network.spec.in_channels, side, side, generator=torch.Generator().manual_seed(0))


def _real(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
