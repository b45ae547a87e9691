"""`posix_memalign` with huge pages for large blocks, and a `free` that keeps a few of the largest for the next who asks.

Compiled by numba: threads without Python may call them.
"""

import ctypes
from pathlib import Path

import numba
from numba import types

from gm_keras.backend.intrinsics import added, address_of, exchanged, for_good, known, put
from gm_keras.backend.numba_kernels import compiled

#: Bytes from which on a block asks for huge pages.
LARGE = 4 * 2**20
#: Bytes from which on a block that is freed may be kept: the C library gives such blocks back to the system at once.
KEPT = 32 * 2**20
#: Bytes of such a page.
PAGE = int(Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size").read_text(encoding="ascii"))
#: So many are kept at most; where one more is freed, the one that was kept longest is let go.
PLACES = 4
_MADV_FREE, _MADV_HUGEPAGE = 8, 14

_SIGNATURE = types.int32(types.voidptr, types.int64, types.int64)
_memalign = types.ExternalFunction("posix_memalign", _SIGNATURE)
_advise = types.ExternalFunction("madvise", types.int32(types.int64, types.int64, types.int32))
_size = types.ExternalFunction("malloc_usable_size", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))

# The blocks that are kept, 0 for none, and how many have been let go.
_places = (ctypes.c_int64 * (PLACES + 1))()
for_good(_places)
known("kept_blocks", ctypes.addressof(_places))


@compiled(numba.njit)
def _keep(block):
    """Keeps a block, or lets it go where all places are taken."""
    places = address_of("kept_blocks")
    for index in range(PLACES):
        if put(places + 8 * index, block):
            return
    oldest = added(places + 8 * PLACES, 1) % PLACES
    other = exchanged(places + 8 * oldest, block)
    if other != 0:
        _free(other)


@compiled(numba.njit)
def _taken(length):
    """A block that was kept and is no more than a quarter too long, or 0."""
    places = address_of("kept_blocks")
    for index in range(PLACES):
        block = exchanged(places + 8 * index, 0)
        if block != 0:
            size = _size(block)
            if length <= size and size - length <= length // 4:
                return block
            _keep(block)
    return 0


@compiled(numba.cfunc, _SIGNATURE)
def _allocate(result, alignment, length):
    if length < LARGE:
        return _memalign(result, alignment, length)
    if length >= KEPT and alignment <= PAGE and alignment & (alignment - 1) == 0:
        block = _taken(length)
        if block != 0:
            numba.carray(result, (1,), numba.int64)[0] = block
            return types.int32(0)
    failed = _memalign(result, max(alignment, PAGE), length)
    if failed == 0:
        _advise(numba.carray(result, (1,), numba.int64)[0], length, _MADV_HUGEPAGE)
    return failed


@compiled(numba.cfunc, types.void(types.int64))
def _release(block):
    # Blocks of `_allocate` that are large begin at a huge page, and hardly any others do.
    if block == 0 or block & (PAGE - 1) != 0 or _size(block) < KEPT:
        _free(block)
        return
    # Where memory is short the system may take the pages: what is in them is not wanted any more.
    _advise(block, _size(block) // PAGE * PAGE, _MADV_FREE)
    _keep(block)


for _function in (_allocate, _release):
    for_good(_function)

#: Where they lie; called as the functions of C of these names are.
ADDRESSES = {b"posix_memalign": _allocate.address, b"free": _release.address}
