"""Our network on Cardinet's own kernels."""

from __future__ import annotations

from cardinet.bench.runtime_contender import RuntimeContender


class OwnKernels(RuntimeContender):
    """The whole network in one call, with folded BN and weights packed once."""

    name, about = "own-kernels", "our network on Cardinet's own kernels"
    runtime = "kernels"
    devices = ("cpu",)
