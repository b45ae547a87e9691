"""`posix_memalign` with huge pages for large blocks, compiled by numba: threads without Python may call it."""

import ctypes
from pathlib import Path

import numba
from numba import types

from gm_keras.backend.numba_kernels import compiled

#: Bytes from which on a block asks for huge pages.
LARGE = 4 * 2**20
#: Bytes of such a page.
PAGE = int(Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size").read_text(encoding="ascii"))
_MADV_HUGEPAGE = 14

_SIGNATURE = types.int32(types.voidptr, types.uintp, types.uintp)
_memalign = types.ExternalFunction("posix_memalign", _SIGNATURE)
_advise = types.ExternalFunction("madvise", types.int32(types.uintp, types.uintp, types.int32))


@compiled(numba.cfunc, _SIGNATURE)
def _allocate(result, alignment, length):
    if length < LARGE:
        return _memalign(result, alignment, length)
    failed = _memalign(result, max(alignment, PAGE), length)
    if failed == 0:
        _advise(numba.carray(result, (1,), numba.uintp)[0], length, _MADV_HUGEPAGE)
    return failed


# The libraries' threads may call it when Python's modules are gone already.
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_allocate))

#: Where it lies; called as `posix_memalign` is.
ADDRESS = _allocate.address
