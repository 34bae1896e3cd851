"""Benchmark: own kernels for grouped 3x3 convolutions and for BN on a GPU, against cuDNN and torch.

command   python benchmarks/gpu_kernels.py --write
expected  unmeasured: nobody has run it on a GPU yet
time      unmeasured; each shape compiles 5 forms of 3 kernels at first

The shapes are those of the networks below at 224 x 224 pixels, in channels_last. For each shape, type and direction,
the values of each form of the own kernel are compared with cuDNN's in full float32 first, and whether they repeat to
the bit; a form that is wrong is not timed, is said, and makes the exit code 1. Then both are timed (median, a cold L2
cache, `cudnn.benchmark`). With --write the rows replace those of the same GPU in `src/cardinet/ops/gpu_choice.json`, by
which `kernels=own` chooses. A run that began with another table resumes with other bits.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.base.files import write_atomic
from cardinet.build.builder import build
from cardinet.networks.registry import find
from cardinet.ops import grouped_conv
from cardinet.ops.batch_norm import batch_norm
from cardinet.ops.gpu_choice import DIRECTIONS, TABLE, Direction, Form, Row, Table, gpu_name
from cardinet.runs.environment import hardware, versions

NETWORKS = ("resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d")

FORMS = tuple(
    Form(pixels=p, warps=w, stages=s) for p, w, s in ((32, 4, 2), (64, 4, 2), (64, 4, 3), (128, 4, 2), (128, 8, 2))
)

LIMITS = {torch.bfloat16: 2**-7, torch.float16: 2**-10, torch.float32: 2**-9}
"""The largest error as a share of the largest value: a step of the narrow types, and several of TF32's products."""

Timer = Callable[[Callable[[], object]], float]


class Shape(NamedTuple):
    channels: int
    height: int
    width: int
    groups: int
    stride: int


def shapes_of(network: str) -> Iterator[Shape]:
    """The grouped 3x3 convolutions of a network, each shape once, from a pass without values."""
    found: dict[Shape, None] = {}

    def seen(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if isinstance(module, nn.Conv2d) and module.groups > 1 and module.kernel_size == (3, 3):
            _, channels, height, width = given[0].shape
            found[Shape(channels, height, width, module.groups, module.stride[0])] = None

    built = build(find(network).spec).to("meta")
    for module in built.modules():
        module.register_forward_pre_hook(seen)
    built(torch.empty(1, 3, 224, 224, device="meta"))
    yield from found


class Contest:
    """One direction of one convolution: the own kernel in a form, and cuDNN."""

    def __init__(
        self, direction: Direction, shape: Shape, batch: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        make = torch.Generator(device).manual_seed(0)
        channels, height, width, groups, self.stride = shape
        sizes = {"x": (batch, channels, height, width), "weight": (channels, channels // groups, 3, 3)}
        x, weight = (torch.randn(size, generator=make, device=device) for size in sizes.values())
        dy = torch.randn_like(grouped_conv.reference(x, weight, self.stride))
        self.x, self.weight, self.dy = (
            each.to(dtype).contiguous(memory_format=torch.channels_last) for each in (x, weight, dy)
        )
        self.direction = direction

    def own(self, form: Form) -> Tensor:
        from cardinet.ops import triton_grouped_conv

        x, weight, dy, stride = self.x, self.weight, self.dy, self.stride
        precision = "tf32" if x.dtype == torch.float32 else "ieee"
        if self.direction == "weight gradient":
            found = triton_grouped_conv.weight_gradient(dy, x, weight, stride, precision, form)
            return torch.empty_like(weight).copy_(found)
        if self.direction == "forward":
            made = torch.empty_like(dy)
            triton_grouped_conv.forward(x, weight, stride, precision, form, made)
            return made
        made = torch.empty_like(x)
        triton_grouped_conv.input_gradient(dy, weight, stride, precision, form, made)
        return made

    def cudnn(self, dtype: torch.dtype | None = None) -> Tensor:
        x, weight, dy = (each if dtype is None else each.to(dtype) for each in (self.x, self.weight, self.dy))
        if self.direction == "forward":
            return grouped_conv.reference(x, weight, self.stride)
        if self.direction == "input gradient":
            return grouped_conv.reference_input_gradient(dy, weight, self.stride, *x.shape[2:])
        return grouped_conv.reference_weight_gradient(dy, x, weight, self.stride)

    def fault(self, form: Form) -> str | None:
        """What is wrong with the values of a form, in words."""
        conv = torch.backends.cudnn.conv  # type: ignore[attr-defined]
        before, conv.fp32_precision = conv.fp32_precision, "ieee"
        try:
            exact = self.cudnn(torch.float32)
        finally:
            conv.fp32_precision = before
        found, again = self.own(form), self.own(form)
        error = ((found.float() - exact).abs().max() / exact.abs().max()).item()
        if not error <= LIMITS[found.dtype]:
            return f"its values are wrong by {error:.2g} of the largest"
        return None if torch.equal(found, again) else "its bits do not repeat"


def measured(contest: Contest, time: Timer) -> tuple[Form | None, float, float, list[str]]:
    """The fastest right form of the own kernel and its time in ms, cuDNN's time, and what was wrong."""
    faults, times = [], {}
    for form in FORMS:
        fault = contest.fault(form)
        if fault is None:
            times[form] = time(lambda form=form: contest.own(form))  # type: ignore[misc]
        else:
            faults.append(f"{form!r}: {fault}")
    best = min(times, key=lambda form: times[form]) if times else None
    return best, times[best] if best is not None else float("nan"), time(contest.cudnn), faults


def convolutions(options: argparse.Namespace, device: torch.device, time: Timer) -> tuple[list[Row], list[str]]:
    """The rows of all shapes, printed as they are measured, and what was wrong."""
    rows, faults = [], []
    shapes = dict.fromkeys(shape for network in options.networks.split(",") for shape in shapes_of(network))
    print(
        f"{'N, C, H, W':24}{'groups':>7}{'stride':>7} {'type':9}{'direction':16}{'own ms':>9}{'cuDNN':>9}{'ratio':>7}"
    )
    cases = itertools.product(shapes, map(int, options.batches.split(",")), options.dtypes.split(","), DIRECTIONS)
    for shape, batch, dtype, direction in cases:
        form, own, cudnn, wrong = measured(Contest(direction, shape, batch, getattr(torch, dtype), device), time)
        size = (batch, *shape[:3])
        about = f"{size!s:24}{shape.groups:7}{shape.stride:7} {dtype:9}{direction:16}"
        print(f"{about}{own:9.4f}{cudnn:9.4f}{cudnn / own:7.2f}", flush=True)
        faults += [f"{about.strip()}: {each}" for each in wrong]
        if form is not None:
            case = {"gpu": gpu_name(device), "direction": direction, "dtype": dtype, "shape": size}
            kind = {"groups": shape.groups, "stride": shape.stride, "form": form}
            rows.append(Row.model_validate({**case, **kind, "own_ms": own, "cudnn_ms": cudnn}))
    return rows, faults


class Norm:
    """relu( bn(x) + other ), forward and backward: by own kernels, and by torch's operators."""

    def __init__(self, size: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        maps = (torch.randn(size, device=device, dtype=dtype) for _ in range(3))
        self.x, self.other, self.dy = (each.contiguous(memory_format=torch.channels_last) for each in maps)
        self.weight, self.bias = (torch.rand(size[1], device=device) for _ in range(2))
        self.inputs = [each.requires_grad_() for each in (self.x, self.other, self.weight, self.bias)]

    def own(self) -> object:
        y, _, _ = batch_norm(self.x, self.weight, self.bias, 1e-5, other=self.other, relu=True)
        return torch.autograd.grad(y, self.inputs, self.dy)

    def plain(self) -> object:
        y = F.batch_norm(self.x, None, None, self.weight, self.bias, True, 0.1, 1e-5) + self.other
        return torch.autograd.grad(F.relu(y), self.inputs, self.dy)


def norms(options: argparse.Namespace, device: torch.device, time: Timer) -> None:
    """Print the times of `Norm` for the maps between the stages of a ResNeXt-50."""
    print(
        f"\nrelu( bn(x) + other ) and its gradients\n{'N, C, H, W':24} {'type':9}{'own ms':>9}{'torch':>9}{'ratio':>7}"
    )
    maps = ((256, 56), (512, 28), (1024, 14), (2048, 7))
    cases = itertools.product(map(int, options.batches.split(",")), maps, options.dtypes.split(","))
    for batch, (channels, side), dtype in cases:
        size = (batch, channels, side, side)
        norm = Norm(size, getattr(torch, dtype), device)
        own, plain = time(norm.own), time(norm.plain)
        print(f"{size!s:24} {dtype:9}{own:9.4f}{plain:9.4f}{plain / own:7.2f}", flush=True)


def written(rows: list[Row], about: str, path: Path) -> Table:
    """The table in which these rows replace those of the same GPU; it is written."""
    before = Table.model_validate_json(path.read_bytes())
    gpus = {row.gpu for row in rows}
    kept = [row for row in before.rows if row.gpu not in gpus]
    told = [each for each in (before.measured_with if kept else "", about) if each]
    table = Table(measured_with=" | ".join(told), rows=(*kept, *rows))
    write_atomic(path, table.model_dump_json(indent=1) + "\n")
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--batches", default="64,256")
    parser.add_argument("--dtypes", default="bfloat16,float16,float32", help="float32 computes in TF32")
    parser.add_argument("--write", action="store_true", help="write the table by which kernels=own chooses")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no GPU here that torch can use, so nothing was measured, and the table stays as it is.")
        return 1
    from triton.testing import do_bench

    device = torch.device("cuda", torch.cuda.current_device())
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.conv.fp32_precision = "tf32"  # type: ignore[attr-defined]
    about = f"{hardware('cuda')}; {versions()}"
    print(about)

    def median(work: Callable[[], object]) -> float:
        return float(do_bench(work, warmup=20, rep=100, return_mode="median"))

    rows, faults = convolutions(options, device, median)
    norms(options, device, median)
    if options.write and rows:
        faster = len(written(rows, about, TABLE).faster())
        print(f"\n{TABLE}: {len(rows)} rows written; own kernels are chosen for {faster} cases.")
    for fault in faults:
        print(f"wrong: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
