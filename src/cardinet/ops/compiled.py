"""The kernels as a shared library: compiled by the system's compiler on first use, and kept in the user's cache.

They have a plain C interface and know nothing of torch, so they compile in seconds and fit every version of it. They
run in the threads of the OpenMP library that torch has loaded: a second one would have a second pool of threads, and on
few cores both would wait for each other.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import secrets
import shutil
import subprocess
import warnings
from contextlib import suppress
from pathlib import Path

import torch

from cardinet.base.cache import cache_folder
from cardinet.base.errors import Notice, WorkError
from cardinet.ops.instruction_sets import InstructionSet, usable

SOURCES = Path(__file__).parent / "kernels"

OPTIONS = ("-O2", "-std=c++17", "-fPIC", "-shared", "-ffp-contract=off", "-fno-exceptions", "-fno-rtti", "-w")
"""Products and sums are joined only where the kernels say so: forward and backward have to see the same ReLU."""

COMPILERS = ("c++", "g++", "clang++")

SECONDS = 300
"""The longest time for compiling; a few seconds are usual."""

_P, _N, _I, _D = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int, ctypes.c_double

FUNCTIONS = {
    "norm_forward": (_I, _P, _P, _N, _N, _P, _P, _D, _I, _P, _P, _P, _P, _P, _I),
    "run_forward": (_I, _P, _P, _P, _P, _N, _P, _P, _N, _P, _P, _I),
    "norm_backward": (_I, _P, _P, _N, _N, _P, _P, _P, _P, _I, _P, _P, _P, _P, _P, _I),
}
"""The functions of the library with the types of their arguments. Each returns 0, or 1 if there is no memory."""


class CannotCompile(Exception):
    """Why there are no kernels, in words."""


@functools.cache
def kernels() -> ctypes.CDLL | None:
    """The library for this processor, or None with one Notice that says why there is none."""
    try:
        return library(next(iter(usable())))
    except CannotCompile as reason:
        warnings.warn(Notice(f"torch's own kernels are used, because {reason}."), stacklevel=2)
        return None


@functools.cache
def library(name: str) -> ctypes.CDLL:
    """The library for an instruction set of this processor. Raises CannotCompile."""
    file = _file(usable()[name])
    try:
        made = ctypes.CDLL(str(file))
        made.set_parallel.argtypes = [_P]
        for function, types in FUNCTIONS.items():
            getattr(made, function).argtypes = types
    except (OSError, AttributeError) as error:
        raise CannotCompile(f"the compiled kernels cannot be loaded ({str(error).splitlines()[0]})") from None
    made.set_parallel(_torch_openmp())
    return made


def call(functions: ctypes.CDLL, name: str, *arguments: object) -> None:
    """Call a function of the library with tensors as pointers, in torch's number of threads. Raises MemoryError."""
    plain = [each.data_ptr() if isinstance(each, torch.Tensor) else each for each in arguments]
    if getattr(functions, name)(*plain, torch.get_num_threads()):
        raise MemoryError(f"no memory for {name}")


def _torch_openmp() -> int | None:
    """The address of GOMP_parallel in the OpenMP that torch is linked to; None: the kernels take one thread."""
    try:
        torch_cpu = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return ctypes.cast(torch_cpu.GOMP_parallel, ctypes.c_void_p).value
    except (OSError, AttributeError):
        return None


def _file(instructions: InstructionSet) -> Path:
    """The compiled library, from the cache or made now. Raises CannotCompile.

    Its name has a hash of all that it depends on. Processes that compile at once replace equal files.
    """
    compiler = _compiler()
    sources = sorted(SOURCES.iterdir())
    options = (*OPTIONS, *instructions.options)
    told = "\n".join([_version(compiler), *options, *(f"{path.name}\n{path.read_text('utf-8')}" for path in sources)])
    try:
        folder = cache_folder("kernels")
    except WorkError as error:
        raise CannotCompile(f"there is no cache for compiled kernels ({error})") from None
    file = folder / f"{instructions.name}-{hashlib.sha256(told.encode()).hexdigest()[:32]}.so"
    if not file.exists():
        beside = folder / f".{file.name}.{secrets.token_hex(4)}.part"
        command = [compiler, *options, *(str(path) for path in sources if path.suffix == ".cpp"), "-o", str(beside)]
        try:
            _run(command)
            os.replace(beside, file)
        except OSError as error:
            raise CannotCompile(f"the compiled kernels cannot be kept in {folder} ({error.strerror})") from None
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
    return file


def _compiler() -> str:
    """The C++ compiler: that of the variable CXX, or the system's. Raises CannotCompile if there is none."""
    for name in filter(None, (os.environ.get("CXX"), *COMPILERS)):
        if found := shutil.which(name):
            return found
    raise CannotCompile("there is no C++ compiler to make Cardinet's (install g++ or clang, or set CXX)")


def _version(compiler: str) -> str:
    return _run([compiler, "--version"])


def _run(command: list[str]) -> str:
    """What a command writes. Raises CannotCompile."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise CannotCompile(f"{command[0]} could not be run ({type(error).__name__})") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["?"]
        raise CannotCompile(f"{command[0]} could not compile Cardinet's ({lines[0].strip():.120})")
    return done.stdout
