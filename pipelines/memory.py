"""Memory that a process of the pipeline keeps for its next step, where the C library is glibc.

Of itself glibc gives large blocks back to the system when they are freed, and each step of a large model asks for hundreds of
megabytes anew, page by page (benchmarks/NOTES.md). `mallopt` is its setting for that, for a process by itself.
"""

import ctypes
import os

# `mallopt`'s numbers of its parameters (malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
# Blocks up to so many bytes are not mapped each by itself; before glibc 2.35 no more than the second may be said.
_MAPPED, _MAPPED_BEFORE = 2**30, 2**25
# So many bytes that are free at the end of the heap are kept, and so many more are asked for when it grows.
_KEPT, _MORE = 2**31 - 1, 2**26
_USERS = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"}


def keep_memory() -> bool:
    """Has glibc keep what is freed, until the process ends; returns whether it does.

    Another C library, and a user who set any of this (`GLIBC_TUNABLES`, `MALLOC_...`), are left alone.
    """
    if "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "") or os.environ.keys() & _USERS:
        return False
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return False
    if not (hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt")):
        return False
    mallopt = library.mallopt
    # In this order: once any is set, glibc no longer finds the first one by itself.
    if not (mallopt(_MMAP_THRESHOLD, _MAPPED) or mallopt(_MMAP_THRESHOLD, _MAPPED_BEFORE)):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT) and mallopt(_TOP_PAD, _MORE))
