"""XLA's foreign function interface, for handlers that numba compiles, and XLA's threads.

Handlers run on threads of XLA, which must not wait for Python's lock: at its end the process waits for them while it
holds that lock.

XLA's structures consist of numbers and addresses of eight bytes each:
https://github.com/openxla/xla/blob/main/xla/ffi/api/c_api.h.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import jax
import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gm_keras.backend.native import library
from gm_keras.backend.numba_kernels import compiled

# Places in XLA's structures, and the version of its interface.
_EXTENSION, _API, _CONTEXT, _ARGUMENTS, _RESULTS, _ATTRIBUTES = 1, 2, 3, 9, 14, 20
_METADATA, _VERSION = 1, 0 | 3 << 32
_DATA, _ERROR_CREATE, _SCHEDULE, _INTERNAL = 3, 6, 17, 13
# What threads that work on one call share: the next part, how many parts there are, how many are done, how many
# threads still look at it, what went wrong, and the task. The call's own numbers follow.
_NEXT, _PARTS, _DONE, _USERS, _STATUS, _TASK, _OWN = range(7)
_PREFIX = "gm_keras_"
_kept: list = []


def _memory(kind: types.Type) -> Callable:
    """Makes `memory(address)`: what lies there, as values of a kind."""

    @intrinsic
    def memory(typing, address):
        result = types.CPointer(kind)

        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(result))

        return result(types.int64), generate

    return memory


#: The memory at an address as numbers, as float32, and as uint32.
words, floats, halves = _memory(types.int64), _memory(types.float32), _memory(types.uint32)


def _reinterpreted(given: types.Type, wanted: types.Type) -> Callable:
    """Makes a function from values of a kind to those of another one with the same bits."""

    @intrinsic
    def same_bits(typing, value):
        def generate(context, builder, signature, arguments):
            return builder.bitcast(arguments[0], context.get_value_type(wanted))

        return wanted(given), generate

    return same_bits


#: The float32 that is these 32 bits, and the other way round.
float_of = _reinterpreted(types.int32, types.float32)
bits_of = _reinterpreted(types.float32, types.int32)


@intrinsic(prefer_literal=True)
def space(typing, count):
    """The address of room for so many numbers, until the function returns."""

    def generate(context, builder, signature, arguments):
        number = context.get_value_type(types.int64)
        room = cgutils.alloca_once(builder, number, count.literal_value)
        return builder.ptrtoint(room, number)

    return types.int64(count), generate


@intrinsic
def _added(typing, address, number):
    """Adds to what is at an address, which other threads see as well, and returns what was there."""

    def generate(context, builder, signature, arguments):
        place = builder.inttoptr(arguments[0], context.get_value_type(types.int64).as_pointer())
        return builder.atomic_rmw("add", place, arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def called(typing, function, first, second):
    """Calls the function at an address."""

    def generate(context, builder, signature, arguments):
        number = context.get_value_type(types.int64)
        kind = ir.FunctionType(number, [number] * 2)
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic(prefer_literal=True)
def address_of(typing, name):
    """The address that `known` gave a name in this process: compiled code that is kept on disk has none in it."""
    symbol = _PREFIX + name.literal_value

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [])
        here = cgutils.get_or_insert_function(builder.module, kind, symbol)
        return builder.ptrtoint(here, context.get_value_type(types.int64))

    return types.int64(name), generate


def known(name: str, address: int) -> None:
    """Gives an address a name for compiled code."""
    binding.add_symbol(_PREFIX + name, address)


def function(name: str, address: int, count: int) -> types.ExternalFunction:
    """A function of C by its name, for compiled code; all of its arguments are numbers or addresses."""
    known(name, address)
    return types.ExternalFunction(_PREFIX + name, types.int64(*[types.int64] * count))


def of_library(where: ctypes.CDLL, name: str, count: int) -> types.ExternalFunction:
    """The same of a library."""
    return function(name, ctypes.cast(getattr(where, name), ctypes.c_void_p).value, count)


def of_python(name: str, call: Callable, count: int) -> types.ExternalFunction:
    """The same of Python; it must not be called where Python's lock is held for good."""
    made = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(call)
    _kept.append(made)
    return function(name, ctypes.cast(made, ctypes.c_void_p).value, count)


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
known("helpers", _helpers.ctypes.data)


@compiled(numba.njit)
def _take_part(block):
    facts = words(block)
    while True:
        index = _added(block + 8 * _NEXT, 1)
        if index >= facts[_PARTS]:
            break
        status = called(facts[_TASK], block + 8 * _OWN, index)
        if status != 0:
            facts[_STATUS] = status
        _added(block + 8 * _DONE, 1)


@compiled(numba.njit)
def _leave(block):
    if _added(block + 8 * _USERS, -1) == 1:
        _free(block)


@compiled(numba.cfunc, numba.void(numba.int64))
def _helper(block):
    _take_part(block)
    _leave(block)


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
    while _added(block + 8 * _DONE, 0) < parts:
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
    """
    jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(handle.ctypes), platform="cpu")
