"""The library oneDNN, where it is installed (the packages of the extra `native`): its functions of C.

https://uxlfoundation.github.io/oneDNN; version 3 of its interface.
"""

import ctypes
import functools
import importlib.metadata
import os

from gm_keras.backend.numba_kernels import wanted

Pointer = ctypes.c_void_p
Sizes = ctypes.c_int64 * 12

# The library is not found by name: a wheel puts it where the loader does not look. It needs the system's OpenMP of GCC.
_PACKAGE, _LIBRARY, _OPENMP = "onednn-cpu-gomp", "libdnnl.so.3", "libgomp.so.1"
_SUCCESS, _NOTHING_FOR_IT = 0, (2, 3)
_CPU, _USER_SCRATCHPAD, _ANY_FORMAT, _NAME = 1, 1, 1, 8


class UnsupportedError(Exception):
    """oneDNN has nothing quick for it on this processor."""


@functools.cache
def threads() -> int:
    """How many may run at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@functools.cache
def onednn() -> ctypes.CDLL | None:
    """The library, or None where it, or what it needs, is missing or not wanted."""
    if not wanted():
        return None
    try:
        files = importlib.metadata.files(_PACKAGE) or ()
        functions = ctypes.CDLL(next(str(file.locate()) for file in files if file.name == _LIBRARY))
        openmp()
    except (importlib.metadata.PackageNotFoundError, StopIteration, OSError):
        return None
    functions.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
    functions.dnnl_primitive_desc_query_md.restype = Pointer
    return functions


@functools.cache
def openmp() -> ctypes.CDLL:
    """The library that gives oneDNN its threads.

    Its threads and those of XLA would take the processors from one another: XLA's are to run the parts of the work. So
    what calls oneDNN asks for one thread before, and for as many as there were after it. OpenMP keeps this number for each
    calling thread by itself (`nthreads-var`, of the data environment): other threads, and what the same thread does later,
    never see it.
    """
    return ctypes.CDLL(_OPENMP)


def call(name: str, *arguments: object) -> None:
    """Calls a function that returns a status.

    Raises:
        UnsupportedError: If oneDNN has nothing for these arguments.
        RuntimeError: If it fails otherwise.
    """
    threads = openmp().omp_get_max_threads()
    openmp().omp_set_num_threads(1)
    try:
        status = getattr(onednn(), name)(*arguments)
    finally:
        openmp().omp_set_num_threads(threads)
    if status in _NOTHING_FOR_IT:
        raise UnsupportedError(name)
    if status != _SUCCESS:
        raise RuntimeError(f"oneDNN's {name} returned {status}")


def made(name: str, *arguments: object) -> Pointer:
    """What a function puts into its first argument; it is kept as long as the process lives."""
    result = Pointer()
    call(name, ctypes.byref(result), *arguments)
    return result


@functools.cache
def engine() -> Pointer:
    """The processor."""
    return made("dnnl_engine_create", _CPU, ctypes.c_size_t(0))


@functools.cache
def attributes() -> Pointer:
    """Primitives are given their scratchpads: one may then run twice at a time."""
    result = made("dnnl_primitive_attr_create")
    call("dnnl_primitive_attr_set_scratchpad_mode", result, _USER_SCRATCHPAD)
    return result


def memory(dtype: int, dims: tuple[int, ...], strides: tuple[int, ...] | None = None) -> Pointer:
    """Describes an array; without strides, in whichever order is quickest."""
    sizes = Sizes(*dims)
    if strides is None:
        return made("dnnl_memory_desc_create_with_tag", len(dims), sizes, dtype, _ANY_FORMAT)
    return made("dnnl_memory_desc_create_with_strides", len(dims), sizes, dtype, Sizes(*strides))


def asked(primitive: Pointer, what: int) -> Pointer:
    """A description that a primitive has."""
    return Pointer(onednn().dnnl_primitive_desc_query_md(primitive, what, 0))


def size(described: Pointer) -> int:
    """Bytes of an array."""
    return onednn().dnnl_memory_desc_get_size(described)


def name(primitive: Pointer) -> str:
    """Which of its implementations oneDNN takes, for example `brgconv:avx512_core`."""
    result = ctypes.c_char_p()
    call("dnnl_primitive_desc_query", primitive, _NAME, 0, ctypes.byref(result))
    return result.value.decode()
