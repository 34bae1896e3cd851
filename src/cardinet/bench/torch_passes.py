"""Passes of a network of torch: what contenders that run in torch have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cardinet.bench.work import Subject, Work

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from cardinet.bench.contender import Pass

MOMENTUM, DECAY, RATE = 0.9, 1e-4, 0.01


def set_threads(work: Work) -> None:
    """Give torch the threads of the work."""
    import torch

    torch.set_num_threads(work.threads)


def placed(network: nn.Module, work: Work, layout: torch.memory_format) -> nn.Module:
    """The network in eval mode in the layout, and with its weights in the precision, of the work, on its device."""
    import torch

    made = network.to(work.device, torch.bfloat16 if work.precision == "bfloat16" else torch.float32)
    return made.to(memory_format=layout).eval().requires_grad_(False)


def inference_pass(network: Callable[[Tensor], Tensor], subject: Subject, work: Work, layout: Any) -> Pass:
    """A pass of a network that `placed` has prepared. The pictures are on the device and in the precision already."""
    import torch

    dtype = torch.bfloat16 if work.precision == "bfloat16" else torch.float32
    x = torch.from_numpy(subject.pixels(work.batch)).to(work.device, dtype).contiguous(memory_format=layout)

    def once() -> Any:
        with torch.inference_mode():
            return network(x).float().cpu().numpy()  # a copy to the CPU waits for the GPU

    return once


def training_pass(
    network: nn.Module,
    subject: Subject,
    work: Work,
    layout: Any,
    optimizer: torch.optim.Optimizer | None = None,
    compiled: Callable[[nn.Module], Callable[[Tensor], Tensor]] = lambda module: module,
) -> Pass:
    """A step of SGD with momentum on the batch: float32 weights, autocast for bfloat16, cross entropy."""
    import torch
    from torch.nn.functional import cross_entropy

    network = network.to(work.device).to(memory_format=layout).train()
    steps = optimizer or torch.optim.SGD(
        network.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True, fused=True
    )
    x = torch.from_numpy(subject.pixels(work.batch)).to(work.device).contiguous(memory_format=layout)
    labels = torch.arange(work.batch, device=work.device) % subject.classes
    forward, half = compiled(network), work.precision == "bfloat16"

    def once() -> Any:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            logits = forward(x)
        loss = cross_entropy(logits.float(), labels)
        loss.backward()
        steps.step()
        steps.zero_grad(set_to_none=True)
        if x.is_cuda:
            torch.cuda.synchronize()
        return loss.detach().reshape(1).cpu().numpy()

    return once
