"""The tables in which loaded libraries keep the addresses of the functions that they call, on Linux on x86-64.

Of each library the loader has such a table (`.got.plt`) with an entry for each function of another library, which it fills
in at once or at the first call. Formats: the ELF standard and its supplement for x86-64.
"""

import ctypes
import os
import platform
import struct
import sys
from bisect import bisect_right
from pathlib import Path

import numpy as np

AVAILABLE = sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32
_LOAD, _DYNAMIC = 1, 2
_SIZE_OF_CALLS, _STRINGS, _SYMBOLS, _CALLS, _ENTRIES, _SIZE_OF_ENTRIES = 2, 5, 6, 23, 7, 8
_JUMP_SLOT, _GLOBAL = 7, 6
_ENTRY = np.dtype([("place", "<u8"), ("kind", "<u4"), ("symbol", "<u4"), ("added", "<i8")])
_SYMBOL = np.dtype(
    [
        ("name", "<u4"),
        ("info", "u1"),
        ("other", "u1"),
        ("section", "<u2"),
        ("value", "<u8"),
        ("size", "<u8"),
    ]
)


class Tables:
    """All tables of this process at one moment, to be compared with those of a later one."""

    def __init__(self) -> None:
        self._libraries = {path: found for path in _loaded() if (found := _Library.of(path))}
        self._before = {path: each.values() for path, each in self._libraries.items()}

    @property
    def libraries(self) -> dict[str, int]:
        """How many entries each library has, by its file's name."""
        return {Path(path).name: len(each.places) for path, each in self._libraries.items()}

    def changes(self) -> list[str]:
        """The entries that are others now, unless the loader filled them in, or that lead to no library's code."""
        segments = _Segments()
        found = []
        for path, library in self._libraries.items():
            before, now = self._before[path], library.values()
            for index in np.flatnonzero(before != now):
                # Not called before: the entry led back to the loader, through the library itself.
                lazy = segments.file_at(before[index]) == path and library.are_calls[index]
                owner = segments.file_at(now[index])
                if not (lazy and _defines(owner, library.name(index), int(now[index]))):
                    found.append(f"{Path(path).name}: {library.name(index)}")
            for index in np.flatnonzero(library.are_calls & (now != 0)):
                if segments.file_at(now[index]) is None:
                    found.append(f"{Path(path).name}: {library.name(index)} is in no file")
        return found


class _Library:
    """One loaded library.

    Attributes:
        places: Addresses of the entries of its tables.
        are_calls: Which of them are functions that are called, and filled in when they are.
    """

    def __init__(self, base: int, section: dict[int, int]):
        def where(tag: int) -> int:
            # The loader turns offsets into addresses, where it may write.
            return section[tag] if section[tag] >= base else base + section[tag]

        parts = [
            _array(where(start), section[size] // _ENTRY.itemsize, _ENTRY)
            for start, size in ((_CALLS, _SIZE_OF_CALLS), (_ENTRIES, _SIZE_OF_ENTRIES))
            if start in section and size in section
        ]
        entries = np.concatenate(parts) if parts else np.empty(0, _ENTRY)
        entries = entries[np.isin(entries["kind"], (_JUMP_SLOT, _GLOBAL))]
        self.places = base + entries["place"].astype(np.int64)
        self.are_calls = entries["kind"] == _JUMP_SLOT
        self._symbols, self._named = entries["symbol"], (where(_SYMBOLS), where(_STRINGS))

    @classmethod
    def of(cls, path: str) -> "_Library | None":
        """A library by its file; None for files that are no libraries."""
        try:
            with Path(path).open("rb") as file:
                head = file.read(64)
                if len(head) < 64 or head[:5] != b"\x7fELF\x02":
                    return None
                table, size, count = (
                    *struct.unpack_from("<Q", head, 32),
                    *struct.unpack_from("<HH", head, 54),
                )
                file.seek(table)
                headers = [file.read(size) for _ in range(count)]
        except OSError:
            return None
        segments = [struct.unpack_from("<IIQQ", header) for header in headers]
        first = next(virtual for kind, _, _, virtual in segments if kind == _LOAD)
        dynamic = [virtual for kind, _, _, virtual in segments if kind == _DYNAMIC]
        start = _loaded()[path]
        base = start - first // 4096 * 4096
        if not dynamic:
            return None
        section, at = {}, base + dynamic[0]
        while tag := _word(at):
            section[tag] = _word(at + 8)
            at += 16
        return cls(base, section) if {_STRINGS, _SYMBOLS} <= section.keys() else None

    def values(self) -> np.ndarray:
        """What is in the tables now."""
        return np.array([_word(place) for place in self.places.tolist()], np.uint64)

    def name(self, index: int) -> str:
        """Of the symbol of an entry."""
        symbols, strings = self._named
        symbol = symbols + int(self._symbols[index]) * _SYMBOL.itemsize
        return ctypes.string_at(strings + ctypes.c_uint32.from_address(symbol).value).decode()


class _Segments:
    """Which file's code or data is at an address."""

    def __init__(self) -> None:
        self._found = sorted(_mapped())
        self._starts = [start for start, *_ in self._found]

    def file_at(self, address: int) -> str | None:
        at = bisect_right(self._starts, int(address)) - 1
        if at < 0:
            return None
        _, stop, path = self._found[at]
        # The system's own library (`[vdso]`) is in no file.
        return path if int(address) < stop and path.startswith(("/", "[vdso]")) else None


def _mapped() -> list[tuple[int, int, str]]:
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        bounds, _, _, _, _, *path = line.split(maxsplit=5)
        start, stop = (int(bound, 16) for bound in bounds.split("-"))
        found.append((start, stop, path[0] if path else ""))
    return found


def _loaded() -> dict[str, int]:
    """Where each mapped file begins."""
    found: dict[str, int] = {}
    for start, _, path in _mapped():
        if path.startswith("/") and not path.endswith("(deleted)"):
            found[path] = min(start, found.get(path, start))
    return found


class _Found(ctypes.Structure):
    _fields_ = [
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    ]


def _defines(path: str | None, name: str, address: int) -> bool:
    """Whether a function of a loaded library is at an address."""
    if path is None or path == "[vdso]":
        return path is not None
    found = _Found()
    known = ctypes.CDLL(None).dladdr(ctypes.c_void_p(address), ctypes.byref(found))
    # The C library's own ones are not found by name.
    if known and found.address == address:
        return True
    # Of several that the library chooses from, as of `memcpy`, the address is that of one without a name.
    return hasattr(ctypes.CDLL(path, os.RTLD_NOLOAD | os.RTLD_LAZY), name)


def _array(address: int, count: int, dtype: np.dtype) -> np.ndarray:
    memory = (ctypes.c_char * (count * dtype.itemsize)).from_address(address)
    return np.frombuffer(memory, dtype).copy()


def _word(address: int) -> int:
    return ctypes.c_uint64.from_address(address).value
