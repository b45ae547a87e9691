"""XLA's foreign function interface, for handlers that numba compiles, and XLA's threads.

Handlers run on threads of XLA, which must not wait for Python's lock: at its end the process waits for them while it
holds that lock.

XLA's structures consist of numbers and addresses of eight bytes each:
https://github.com/openxla/xla/blob/main/xla/ffi/api/c_api.h.
"""

import ctypes
from typing import Any

import jax
import numba
import numpy as np
from jax.ffi import pycapsule, register_ffi_target

from gm_keras.backend.intrinsics import (
    added,
    address_of,
    called,
    for_good,
    known,
    of_library,
    of_python,
    space,
    words,
)
from gm_keras.backend.native import library
from gm_keras.backend.numba_kernels import compiled

# Places in XLA's structures, and the version of its interface.
_EXTENSION, _API, _CONTEXT, _ARGUMENTS, _RESULTS, _ATTRIBUTES = 1, 2, 3, 9, 14, 20
_METADATA, _VERSION = 1, 0 | 3 << 32
_DATA, _ERROR_CREATE, _SCHEDULE, _INTERNAL = 3, 6, 17, 13
# What threads that work on one call share: the next part, how many parts there are, how many are done, how many
# threads still look at it, what went wrong, and the task. The call's own numbers follow.
_NEXT, _PARTS, _DONE, _USERS, _STATUS, _TASK, _OWN = range(7)


@compiled(numba.njit)
def attribute(frame):
    """The address of the numbers of a call's only attribute."""
    return words(words(words(frame)[_ATTRIBUTES])[0])[2]


@compiled(numba.njit)
def argument(frame, index):
    """The address of an argument's first value."""
    return words(words(words(frame)[_ARGUMENTS])[index])[_DATA]


@compiled(numba.njit)
def result(frame, index):
    """The address of a result's first value."""
    return words(words(words(frame)[_RESULTS])[index])[_DATA]


def read(address: int, place: int) -> int:
    """A number of a structure, from Python."""
    return ctypes.c_int64.from_address(address + 8 * place).value


def attribute_numbers(frame: int) -> list[int]:
    """The numbers of a call's only attribute, from Python."""
    array = read(read(frame, _ATTRIBUTES), 0)
    return [read(read(array, 2), at) for at in range(read(array, 1))]


def error(frame: int, message: str) -> int:
    """An error for XLA to raise."""
    text = ctypes.create_string_buffer(message.encode())
    arguments = (ctypes.c_int64 * 4)(32, 0, ctypes.addressof(text), _INTERNAL)
    create = read(read(frame, _API), _ERROR_CREATE)
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(create)(ctypes.addressof(arguments))


_system = ctypes.CDLL(None)
_allocate, _free = (of_library(_system, name, 1) for name in ("malloc", "free"))
_give_way = of_library(_system, "sched_yield", 0)
#: `failed(frame, status)` for handlers: the error for a status other than 0.
failed = of_python(
    "failed",
    lambda frame, status: error(frame, f"a kernel of gm_keras returned {status}"),
    2,
)
_helpers = np.array([library.threads() - 1], np.int64)
for_good(_helpers)
known("helpers", _helpers.ctypes.data)


@compiled(numba.njit)
def _take_part(block):
    facts = words(block)
    while True:
        index = added(block + 8 * _NEXT, 1)
        if index >= facts[_PARTS]:
            break
        status = called(facts[_TASK], block + 8 * _OWN, index)
        if status != 0:
            facts[_STATUS] = status
        added(block + 8 * _DONE, 1)


@compiled(numba.njit)
def _leave(block):
    if added(block + 8 * _USERS, -1) == 1:
        _free(block)


@compiled(numba.cfunc, numba.void(numba.int64))
def _helper(block):
    _take_part(block)
    _leave(block)


for_good(_helper)
known("helper", _helper.address)


@compiled(numba.njit)
def begin(count):
    """The address of room for so many numbers, which all parts of some work see; `share` frees it."""
    # Helpers that come too late still read it: it is theirs as well.
    return _allocate(8 * (_OWN + count)) + 8 * _OWN


@compiled(numba.njit)
def share(frame, numbers, parts, task):
    """Has the threads of XLA do work in parts.

    Args:
        frame: Of the call.
        numbers: From `begin`.
        parts: How many.
        task: Address of a compiled `task(numbers, index)`, which does one part and returns 0 or what went wrong.

    Returns:
        0, or an error, when all parts are done.
    """
    block = numbers - 8 * _OWN
    helpers = min(words(address_of("helpers"))[0], parts - 1)
    facts = words(block)
    facts[_NEXT], facts[_PARTS], facts[_DONE], facts[_TASK] = 0, parts, 0, task
    facts[_USERS], facts[_STATUS] = 1 + helpers, 0
    wrong = 0
    for _ in range(helpers):
        schedule = space(5)
        asked = words(schedule)
        asked[0], asked[1], asked[2] = 40, 0, words(frame)[_CONTEXT]
        asked[3], asked[4] = address_of("helper"), block
        wrong = called(words(words(frame)[_API])[_SCHEDULE], schedule, 0)
        if wrong != 0:
            _leave(block)
    _take_part(block)
    while added(block + 8 * _DONE, 0) < parts:
        _give_way()
    status = facts[_STATUS]
    _leave(block)
    if wrong != 0:
        return wrong
    return 0 if status == 0 else failed(frame, status)


@compiled(numba.njit)
def asks_for_version(frame):
    """Whether XLA calls a handler to learn the version of the interface, and then tells it."""
    extension = words(frame)[_EXTENSION]
    if extension == 0 or words(extension)[1] & 0xFFFFFFFF != _METADATA:
        return False
    words(words(extension)[3])[3] = _VERSION
    return True


#: Decorators of handlers, compiled functions of the address of a call, and of tasks for `share`.
handler = compiled(numba.cfunc, numba.int64(numba.int64))
task = compiled(numba.cfunc, numba.int64(numba.int64, numba.int64))


def register(target: str, handle: Any) -> None:
    """Makes a handler known to XLA.

    Args:
        target: Its name in programs.
        handle: From `handler`; it returns 0 or an error.

    Raises:
        JaxRuntimeError: If XLA does not take handlers of this version of the interface.
    """
    for_good(handle)
    # Where no device has been looked for yet, XLA would be handed it later, and refusing it would cost the process its CPU.
    jax.devices("cpu")
    register_ffi_target(target, pycapsule(handle.ctypes), platform="cpu")
