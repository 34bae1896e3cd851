"""Local response normalisation: Krizhevsky et al. 2012, Section 3.3 (NIPS 2012)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, pad


class LocalResponse(nn.Module):
    """x / (k + alpha * S)^beta, S the sum of the squares of `size` neighbouring channels; no parameters.

    torch's own layer uses the mean instead of the sum. It branches on the number of elements, so tracing warns.
    """

    def __init__(self, *, size: int, alpha: float, beta: float, k: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        half = self.size // 2
        squares = pad(x.square().unsqueeze(1), (0, 0, 0, 0, half, half))  # a pool cannot pad so much
        mean = avg_pool3d(squares, (self.size, 1, 1), stride=1).squeeze(1)
        return x / (self.k + self.alpha * self.size * mean) ** self.beta

    def extra_repr(self) -> str:
        return f"size={self.size}, alpha={self.alpha:g}, beta={self.beta:g}, k={self.k:g}"
