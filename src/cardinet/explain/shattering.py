"""Shattered gradients: Balduzzi et al. 2017 (arXiv 1702.08591).

The gradient of an output by the input is taken at the points of a line of inputs. In a shallow network neighbouring
gradients are alike, as in brown noise (a random walk). In a deep one without shortcuts they resemble white noise.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["plain", "residual"]
Noise = Literal["brown", "white"]


def line(start: Tensor, end: Tensor, points: int) -> Tensor:
    """Inputs (points, ...) at equal distances from one input to another, both included."""
    shares = torch.linspace(0, 1, points, device=start.device, dtype=start.dtype)
    return torch.lerp(start.expand(points, *start.shape), end, shares.view(-1, *[1] * start.dim()))


def input_gradients(network: nn.Module, inputs: Tensor, logit: int, batch_size: int) -> Tensor:
    """The gradient of one output by each input (N, ...), in the shape of the inputs.

    The network maps (B, ...) to (B, K). Nothing is left in its own gradients. The inputs pass in batches; where they
    influence each other, as with BN in training mode, the gradient is that of the sum over a batch.
    """
    found = []
    for part in inputs.split(batch_size):
        with torch.enable_grad():
            x = part.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(network(x)[:, logit].sum(), x)
        found.append(gradient)
    return torch.cat(found)


def autocorrelation(gradients: Tensor, lags: int) -> Tensor:
    """The autocorrelation (lags + 1,) of gradients (N, ...) along their line, float64; 1 at lag 0.

    With g the gradients less their mean: sum over i of <g_i, g_(i + lag)>, divided by the sum of <g_i, g_i>. It is the
    usual estimate, which tends to 0 for large lags. Gradients that are all equal have 1 everywhere.
    """
    g = gradients.detach().flatten(1).double()
    g = g - g.mean(0)
    total = (g * g).sum()
    if total == 0:
        return torch.ones(lags + 1, dtype=torch.float64)
    return torch.stack([(g[: len(g) - lag] * g[lag:]).sum() / total for lag in range(lags + 1)]).cpu()


def noise(kind: Noise, points: int, lags: int, *, draws: int = 400, seed: int = 0) -> Tensor:
    """The autocorrelation (lags + 1,) of white noise, or of brown noise (its running sum): the mean over draws."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(draws):
        series = torch.randn(points, 1, generator=generator, dtype=torch.float64)
        found.append(autocorrelation(series.cumsum(0) if kind == "brown" else series, lags))
    return torch.stack(found).mean(0)


def half_length(correlations: Tensor) -> float:
    """The lag at which the autocorrelation falls to one half, between two lags by a straight line; inf: it does not."""
    values = correlations.tolist()
    for lag in range(1, len(values)):
        if values[lag] <= 0.5:
            return float(lag - 1 + (values[lag - 1] - 0.5) / (values[lag - 1] - values[lag]))
    return math.inf


# The original experiment


class ScalarLayer(nn.Module):
    """plain: W relu( x - mean(x) ). residual: x + beta * W relu( bn(x) ). Mean and BN are over the whole line."""

    def __init__(self, width: int, kind: Kind, beta: float, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(_he(width, width, generator))
        self.kind, self.beta = kind, beta

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "plain":
            return torch.relu(x - x.mean(0)) @ self.weight.T
        normalised = nn.functional.batch_norm(x, None, None, training=True)
        return x + self.beta * torch.relu(normalised) @ self.weight.T


def scalar_network(depth: int, kind: Kind, *, width: int = 200, beta: float = 0.1, seed: int = 0) -> nn.Module:
    """A network from a number to a number: a linear layer with bias, `depth` layers of `width`, a linear layer.

    Weights are drawn as He et al. 2015 do. Width 200, the centred mean of the plain network, BN and beta 0.1 of the
    residual one are those of the paper's Figure 1, as they are remembered.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=()):  # torch draws weights of its own for the two layers
        first, last = nn.Linear(1, width), nn.Linear(width, 1, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.randn(width, 1, generator=generator))
        first.bias.copy_(torch.randn(width, generator=generator))
        last.weight.copy_(_he(1, width, generator))
    return nn.Sequential(first, *(ScalarLayer(width, kind, beta, generator) for _ in range(depth)), last)


def scalar_gradients(network: nn.Module, points: int = 256, reach: float = 2.0) -> Tensor:
    """The gradient (points, 1) of a scalar network at equally distant inputs from -reach to reach, all in one batch."""
    inputs = line(torch.tensor([-reach]), torch.tensor([reach]), points)
    return input_gradients(network, inputs, 0, points)


def _he(outputs: int, inputs: int, generator: torch.Generator) -> Tensor:
    return torch.randn(outputs, inputs, generator=generator) * math.sqrt(2 / inputs)
