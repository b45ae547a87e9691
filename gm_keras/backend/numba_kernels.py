"""Whether kernels of our own, which numba compiles, may be used."""

import functools
import hashlib
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_made: list[Any] = []


def wanted() -> bool:
    """Whether native kernels can be compiled, and GM_KERAS_NATIVE is not 0."""
    return os.environ.get("GM_KERAS_NATIVE") != "0" and _compiler()


def compiled(decorator: Callable, *signature: Any, **options: Any) -> Callable:
    """A decorator of numba, which keeps what it compiles on disk where there is a place for it.

    numba refuses to keep anything where neither the folder of this package nor that of the user's cache can be written,
    and fails where the disk is full.

    Args:
        decorator: `numba.njit` or `numba.cfunc`.
        signature: Of the function, where the decorator takes one.
        **options: Of the decorator.
    """

    def decorate(function: Callable) -> Callable:
        # Part of the name of what is kept, as numba itself looks at one file alone, and not at what that takes from others.
        function.__qualname__ += f".{_sources()}"
        try:
            made = decorator(*signature, cache=True, **options)(function)
        except (RuntimeError, OSError):
            _forget()
            made = decorator(*signature, **options)(function)
        _made.append(made)
        return made

    return decorate


def _forget() -> None:
    """From now on nothing is kept: functions are compiled when others that call them are, and the disk is full."""
    from numba.core.caching import NullCache

    for function in _made:
        function._cache = NullCache()


@functools.cache
def _sources() -> str:
    """A digest of all from which something is compiled."""
    folder = Path(__file__).parent
    files = sorted(folder.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


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
