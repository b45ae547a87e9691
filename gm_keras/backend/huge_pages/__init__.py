"""Huge pages for the large arrays of JAX and TensorFlow on Linux.

XLA takes the memory for everything in between from the system at each call, and TensorFlow at each operation: in pages
of 4 KB, hundreds of thousands of them, each asked for, cleared and looked up by itself (`benchmarks/NOTES.md`). Most
systems give pages of 2 MB only to those who ask (https://docs.kernel.org/admin-guide/mm/transhuge.html), and neither
library does. Theirs is the one call of `posix_memalign`: it is led here, where large blocks are aligned to such pages
and ask for them. Their calls of `free` are led here as well: the largest blocks are kept for the next call, as the C
library would give them back to the system, and a virtual machine those to its host.
"""

import ctypes
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from gm_keras.backend.numba_kernels import wanted

_SETTINGS = Path("/sys/kernel/mm/transparent_hugepage")
_MAPS = Path("/proc/self/maps")
_ALLOCATION, _FUNCTIONS = b"posix_memalign", (b"posix_memalign", b"free")
# Of the dynamic section (the ELF standard, and that of x86-64 and AArch64): where the calls of other libraries'
# functions are listed, the bytes of that list, the names and the symbols.
_CALLS, _CALLS_SIZE, _NAMES, _SYMBOLS = 23, 2, 5, 6
_CALL, _SYMBOL, _WORD = 24, 24, 8


def available() -> bool:
    """Whether the system gives huge pages to those who ask for them."""
    try:
        return "[never]" not in (_SETTINGS / "enabled").read_text(encoding="ascii")
    except OSError:
        return False


@functools.cache
def ask_for_huge(*libraries: str) -> int:
    """Makes large blocks of these libraries, which are loaded, lie in huge pages.

    Args:
        libraries: Parts of their files' names.

    Returns:
        How many of their calls are led here: 0 where native kernels are not wanted, or nothing can be done.
    """
    if not (wanted() and available()):
        return 0
    slots = [each for path in _loaded(libraries) for each in _slots(path) if _writable(each[1])]
    if not any(name == _ALLOCATION for name, _ in slots):
        return 0
    from gm_keras.backend.huge_pages import blocks  # numba takes its time

    for name, slot in slots:
        ctypes.c_void_p.from_address(slot).value = blocks.ADDRESSES[name]
    return len(slots)


def _loaded(names: tuple[str, ...]) -> list[str]:
    """The files of the loaded libraries whose names have one of these in them."""
    lines = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
    files = {line.split(maxsplit=5)[5] for line in lines if "/" in line}
    return sorted(file for file in files if any(name in Path(file).name for name in names))


def _slots(path: str) -> Iterator[tuple[bytes, int]]:
    """The functions that are to be replaced, and where a loaded library keeps their addresses."""
    try:
        loaded = ctypes.CDLL(path, os.RTLD_NOLOAD | os.RTLD_LAZY)._handle
    except OSError:
        return
    # What dlopen returns is a struct link_map: the base, the name, the dynamic section.
    base, section = _word(loaded), _word(loaded + 2 * _WORD)
    entries = {}
    while tag := _word(section):
        entries[tag] = _word(section + _WORD)
        section += 2 * _WORD
    if not {_CALLS, _CALLS_SIZE, _NAMES, _SYMBOLS} <= entries.keys():
        return
    # The loader has turned offsets into addresses, where it may write.
    calls, names, symbols = (
        where if where >= base else where + base
        for where in (entries[_CALLS], entries[_NAMES], entries[_SYMBOLS])
    )
    for call in range(calls, calls + entries[_CALLS_SIZE], _CALL):
        symbol = symbols + _SYMBOL * (_word(call + _WORD) >> 32)
        name = names + ctypes.c_uint32.from_address(symbol).value
        for function in _FUNCTIONS:
            if ctypes.string_at(name, len(function) + 1) == function + b"\0":
                yield function, base + _word(call)


def _word(address: int) -> int:
    return ctypes.c_uint64.from_address(address).value


def _writable(address: int) -> bool:
    for line in _MAPS.read_text(encoding="utf-8", errors="replace").splitlines():
        bounds, rights = line.split(maxsplit=2)[:2]
        start, end = (int(bound, 16) for bound in bounds.split("-"))
        if start <= address < end:
            return rights.startswith("rw")
    return False
