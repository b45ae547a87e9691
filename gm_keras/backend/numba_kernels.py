"""Whether kernels of our own, which numba compiles, may be used."""

import functools
import importlib
import os
import sys


def wanted() -> bool:
    """Whether native kernels can be compiled, and GM_KERAS_NATIVE is not 0."""
    return os.environ.get("GM_KERAS_NATIVE") != "0" and _compiler()


@functools.cache
def _compiler() -> bool:
    """Whether numba works here: it refuses versions of NumPy that it does not know."""
    if sys.platform != "linux":
        return False
    try:
        importlib.import_module("numba")
    except ImportError:
        return False
    return True
