"""The table of what can run a network for inference. Torch and the runtimes are imported only when they are used."""

from __future__ import annotations

from cardinet.runtimes.compiled import Compiled
from cardinet.runtimes.eager import Eager
from cardinet.runtimes.onnx_runtime import OnnxRuntime
from cardinet.runtimes.openvino_runtime import OpenVinoRuntime
from cardinet.runtimes.own_kernels import OwnKernels
from cardinet.runtimes.runtime import Runtime

_ALL: tuple[Runtime, ...] = (Eager(), OwnKernels(), Compiled(), OnnxRuntime(), OpenVinoRuntime())
RUNTIMES: dict[str, Runtime] = {runtime.name: runtime for runtime in _ALL}
"""The runtimes by name."""
