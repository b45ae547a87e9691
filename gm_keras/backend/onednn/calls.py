"""Calls of oneDNN from within a program that XLA compiled: a handler of its foreign function interface.

numba compiles the handler. It runs on threads of XLA, which must not wait for Python's lock: at its end the
process waits for them while it holds that lock.
"""

import ctypes
import functools

import jax
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gm_keras.backend.onednn import library, primitives

_TARGET = "gm_keras_onednn"
# XLA's interface has structures of numbers and addresses of eight bytes each; these are their places, and its
# version: https://github.com/openxla/xla/blob/main/xla/ffi/api/c_api.h.
_EXTENSION, _API, _CONTEXT, _ARGUMENTS, _RESULTS, _ATTRIBUTES = 1, 2, 3, 9, 14, 20
_METADATA, _VERSION = 1, 0 | 3 << 32
_DATA, _ERROR_CREATE, _SCHEDULE, _INTERNAL = 3, 6, 17, 13
# A call has two arguments and two results. A primitive has no more than its parts' results, a sum and a scratchpad, of
# two words each.
_BUFFERS, _GIVEN = 2, 2 * (primitives.MOST_PARTS + 2)
# What threads that work on one call share: the next part, how many are done, how many threads still look at it, the
# number of parts, the address of their steps' addresses, what went wrong, and the buffers.
_NEXT, _DONE, _USERS, _PARTS, _STEPS, _STATUS, _SHARED = range(7)
_SHARED_BYTES = 8 * (_SHARED + 2 * _BUFFERS)

# Pairs of the name of some work and the address of its record; where the name is 0, nothing is. Never more than half full.
_PLACES = 2 * primitives.MOST
_table = np.zeros(2 * _PLACES, np.int64)
_kept: list = []


def call(work: primitives.Work, first: jax.Array, second: jax.Array) -> jax.Array:
    """Computes it; within a function that is compiled, or by itself."""
    _register()
    ready = _remember(work)
    # In how many parts it is done is part of the program that XLA keeps on disk.
    numbers = [primitives.key(work), library.library().threads, *work.numbers()]
    results = (
        jax.ShapeDtypeStruct(work.result, first.dtype),
        jax.ShapeDtypeStruct((ready.workspace,), np.uint8),
    )
    run = jax.ffi.ffi_call(_TARGET, results, vmap_method="sequential")
    return run(first, second, work=np.array(numbers, np.int64))[0]


def _remember(work: primitives.Work) -> primitives.Prepared:
    """Makes what a call of it needs, and puts it where the handler looks."""
    ready, name = primitives.prepared(work), primitives.key(work)
    place = name % _PLACES
    while _table[2 * place] not in (0, name):
        place = (place + 1) % _PLACES
    # The handler reads the name first, perhaps at this moment.
    _table[2 * place + 1] = ready.record.ctypes.data
    _table[2 * place] = name
    return ready


def _late(frame: int) -> int:
    """Called where a program was compiled by another process: nothing is prepared in this one."""
    try:
        attribute = _read(_read(frame, _ATTRIBUTES), 0)
        count, numbers = _read(attribute, 1), _read(attribute, 2)
        _remember(primitives.from_numbers([_read(numbers, at) for at in range(2, count)]))
    except Exception as error:
        return _error(frame, f"oneDNN cannot compute what a compiled program asks for: {error!r}")
    return 0


def _failed(frame: int, status: int) -> int:
    return _error(frame, f"a call of oneDNN returned {status}")


def _error(frame: int, message: str) -> int:
    text = ctypes.create_string_buffer(message.encode())
    arguments = (ctypes.c_int64 * 4)(32, 0, ctypes.addressof(text), _INTERNAL)
    create = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(
        _read(_read(frame, _API), _ERROR_CREATE)
    )
    return create(ctypes.addressof(arguments))


def _read(address: int, place: int) -> int:
    return ctypes.c_int64.from_address(address + 8 * place).value


@intrinsic
def _words(typing, address):
    """The memory at an address, as numbers."""
    result = types.CPointer(types.int64)

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(result))

    return result(types.int64), generate


@intrinsic(prefer_literal=True)
def _space(typing, count):
    """The address of room for so many numbers, until the function returns."""

    def generate(context, builder, signature, arguments):
        room = cgutils.alloca_once(
            builder, context.get_value_type(types.int64), count.literal_value
        )
        return builder.ptrtoint(room, context.get_value_type(types.int64))

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


def _function(library: ctypes.CDLL, name: str, count: int):
    """A function of C, all of whose arguments are numbers or addresses."""
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(address)


@functools.cache
def _register() -> None:
    """Compiles the handler, and makes it known to XLA."""
    late = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(_late)
    failed = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(_failed)
    functions, system = library.library().functions, ctypes.CDLL(None)
    create_memory = _function(functions, "dnnl_memory_create", 4)
    destroy_memory = _function(functions, "dnnl_memory_destroy", 1)
    create_stream = _function(functions, "dnnl_stream_create", 3)
    destroy_stream = _function(functions, "dnnl_stream_destroy", 1)
    execute = _function(functions, "dnnl_primitive_execute", 4)
    allocate, free = _function(system, "malloc", 1), _function(system, "free", 1)
    give_way = _function(system, "sched_yield", 0)
    engine, table, places = library.engine().value, _table.ctypes.data, _PLACES
    others = library.library().threads - 1

    @numba.njit
    def run(steps, buffers):
        stream, given = _space(1), _space(_GIVEN)
        status = create_stream(stream, engine, 0) & 0xFFFFFFFF
        at = 1
        for _ in range(_words(steps)[0]):
            primitive, count = _words(steps)[at], _words(steps)[at + 1]
            at += 2
            for index in range(count):
                row = _words(steps + 8 * at)
                where = _words(buffers)[row[2]] + row[3]
                _words(given)[2 * index] = row[0]
                place = given + 16 * index + 8
                status |= create_memory(place, row[1], engine, where) & 0xFFFFFFFF
                at += 4
            if status == 0:
                status = execute(primitive, _words(stream)[0], count, given) & 0xFFFFFFFF
            for index in range(count):
                destroy_memory(_words(given)[2 * index + 1])
        destroy_stream(_words(stream)[0])
        return status

    @numba.njit
    def help(shared):
        words = _words(shared)
        while True:
            part = _added(shared + 8 * _NEXT, 1)
            if part >= words[_PARTS]:
                break
            status = run(_words(words[_STEPS])[part], shared + 8 * _SHARED)
            if status != 0:
                words[_STATUS] = status
            _added(shared + 8 * _DONE, 1)

    @numba.njit
    def leave(shared):
        if _added(shared + 8 * _USERS, -1) == 1:
            free(shared)

    @numba.cfunc(numba.void(numba.int64))
    def helper(shared):
        help(shared)
        leave(shared)

    task = helper.address

    @numba.cfunc(numba.int64(numba.int64))
    def handler(frame):
        call = _words(frame)
        if call[_EXTENSION] != 0:
            extension = _words(call[_EXTENSION])
            if extension[1] & 0xFFFFFFFF == _METADATA:
                _words(extension[3])[3] = _VERSION
                return 0
        name = _words(_words(_words(call[_ATTRIBUTES])[0])[2])[0]
        entries = _words(table)
        place = name % places
        while entries[2 * place] != name:
            if entries[2 * place] == 0:
                error = late(frame)
                if error != 0:
                    return error
                place = name % places
            else:
                place = (place + 1) % places
        record = _words(entries[2 * place + 1])
        # Helpers that come too late still read it.
        shared = allocate(_SHARED_BYTES)
        words = _words(shared)
        for index in range(_BUFFERS):
            words[_SHARED + index] = _words(_words(call[_ARGUMENTS])[index])[_DATA]
            words[_SHARED + _BUFFERS + index] = _words(_words(call[_RESULTS])[index])[_DATA]
        status = run(record[0], shared + 8 * _SHARED)
        parts = record[1]
        helpers = min(others, parts - 1)
        words[_NEXT], words[_DONE], words[_USERS] = 0, 0, 1 + helpers
        words[_PARTS], words[_STEPS], words[_STATUS] = parts, record[2], 0
        error = 0
        for _ in range(helpers):
            schedule = _space(5)
            asked = _words(schedule)
            asked[0], asked[1], asked[2], asked[3], asked[4] = 40, 0, call[_CONTEXT], task, shared
            error = _called(_words(call[_API])[_SCHEDULE], schedule)
            if error != 0:
                leave(shared)
        help(shared)
        while _added(shared + 8 * _DONE, 0) < parts:
            give_way()
        status |= words[_STATUS]
        if status == 0:
            status = run(record[3], shared + 8 * _SHARED)
        leave(shared)
        if error != 0:
            return error
        return 0 if status == 0 else failed(frame, status)

    _kept.extend([late, failed, helper, handler])
    jax.ffi.register_ffi_target(_TARGET, jax.ffi.pycapsule(handler.ctypes), platform="cpu")
