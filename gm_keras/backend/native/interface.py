"""XLA's foreign function interface, for handlers that numba compiles, and XLA's threads.

Handlers run on threads of XLA, which must not wait for Python's lock: at its end the process waits for them while it
holds that lock.

XLA's structures consist of numbers and addresses of eight bytes each:
https://github.com/openxla/xla/blob/main/xla/ffi/api/c_api.h.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gm_keras.backend.native import library

# Places in XLA's structures, and the version of its interface.
_EXTENSION, _API, _CONTEXT, _ARGUMENTS, _RESULTS, _ATTRIBUTES = 1, 2, 3, 9, 14, 20
_METADATA, _VERSION = 1, 0 | 3 << 32
_DATA, _ERROR_CREATE, _SCHEDULE, _INTERNAL = 3, 6, 17, 13
# What threads that work on one call share: the next part, how many parts there are, how many are done, how many
# threads still look at it, and what went wrong. The call's own numbers follow.
_NEXT, _PARTS, _DONE, _USERS, _STATUS, _OWN = range(6)
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
def _called(typing, function, argument):
    """Calls the function at an address."""

    def generate(context, builder, signature, arguments):
        number = context.get_value_type(types.int64)
        kind = ir.FunctionType(number, [number])
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [arguments[1]])

    return types.int64(types.int64, types.int64), generate


@numba.njit
def attribute(frame):
    """The address of the numbers of a call's only attribute."""
    return words(words(words(frame)[_ATTRIBUTES])[0])[2]


@numba.njit
def argument(frame, index):
    """The address of an argument's first value."""
    return words(words(words(frame)[_ARGUMENTS])[index])[_DATA]


@numba.njit
def result(frame, index):
    """The address of a result's first value."""
    return words(words(words(frame)[_RESULTS])[index])[_DATA]


def function(where: ctypes.CDLL, name: str, count: int) -> Callable:
    """A function of C, all of whose arguments are numbers or addresses."""
    address = ctypes.cast(getattr(where, name), ctypes.c_void_p).value
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(address)


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


@functools.cache
def failed() -> Callable:
    """`failed(frame, status)` for handlers: the error for a status other than 0."""
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(
        lambda frame, status: error(frame, f"a kernel of gm_keras returned {status}")
    )


class Shared(NamedTuple):
    """Functions for work that the threads of XLA share.

    Attributes:
        begin: `begin()` returns the address of numbers that all parts see; a call fills them.
        run: `run(frame, numbers, parts)` returns 0 or an error when all parts are done, and frees the numbers.
    """

    begin: Callable
    run: Callable


def shared(part: Callable, count: int) -> Shared:
    """Makes them for a function `part(numbers, index)`, compiled, that returns 0 or what went wrong.

    Args:
        part: Does one part.
        count: How many numbers a call has.
    """
    system = ctypes.CDLL(None)
    allocate, free = function(system, "malloc", 1), function(system, "free", 1)
    give_way = function(system, "sched_yield", 0)
    stop = failed()
    others, own, size = library.threads() - 1, 8 * _OWN, 8 * (_OWN + count)

    @numba.njit
    def take_part(block):
        while True:
            index = _added(block + 8 * _NEXT, 1)
            if index >= words(block)[_PARTS]:
                break
            status = part(block + own, index)
            if status != 0:
                words(block)[_STATUS] = status
            _added(block + 8 * _DONE, 1)

    @numba.njit
    def leave(block):
        if _added(block + 8 * _USERS, -1) == 1:
            free(block)

    @numba.cfunc(numba.void(numba.int64))
    def helper(block):
        take_part(block)
        leave(block)

    task = helper.address

    @numba.njit
    def begin():
        # Helpers that come too late still read it: it is theirs as well.
        return allocate(size) + own

    @numba.njit
    def run(frame, numbers, parts):
        block = numbers - own
        helpers = min(others, parts - 1)
        facts = words(block)
        facts[_NEXT], facts[_PARTS], facts[_DONE] = 0, parts, 0
        facts[_USERS], facts[_STATUS] = 1 + helpers, 0
        wrong = 0
        for _ in range(helpers):
            schedule = space(5)
            asked = words(schedule)
            asked[0], asked[1], asked[2] = 40, 0, words(frame)[_CONTEXT]
            asked[3], asked[4] = task, block
            wrong = _called(words(words(frame)[_API])[_SCHEDULE], schedule)
            if wrong != 0:
                leave(block)
        take_part(block)
        while _added(block + 8 * _DONE, 0) < parts:
            give_way()
        status = facts[_STATUS]
        leave(block)
        if wrong != 0:
            return wrong
        return 0 if status == 0 else stop(frame, status)

    _kept.append(helper)
    return Shared(begin, run)


def register(target: str, handle: Callable) -> None:
    """Makes a handler known to XLA.

    Args:
        target: Its name in programs.
        handle: Compiled; of the address of a call, returns 0 or an error.
    """

    @numba.cfunc(numba.int64(numba.int64))
    def handler(frame):
        extension = words(frame)[_EXTENSION]
        if extension != 0 and words(extension)[1] & 0xFFFFFFFF == _METADATA:
            words(words(extension)[3])[3] = _VERSION
            return 0
        return handle(frame)

    _kept.append(handler)
    jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(handler.ctypes), platform="cpu")
