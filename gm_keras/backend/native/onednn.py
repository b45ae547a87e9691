"""Calls of oneDNN from within a program that XLA compiled."""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import jax
import numba
import numpy as np

from gm_keras.backend.native import interface, library, primitives
from gm_keras.backend.native.interface import argument, attribute, result, space, words

_TARGET = "gm_keras_onednn"
# A call has two arguments and two results. A primitive has no more than its parts' results, a sum and a scratchpad, of
# two words each.
_BUFFERS, _ALL_BUFFERS, _GIVEN = 2, 4, 2 * (primitives.MOST_PARTS + 2)


class Records:
    """Where handlers find what is prepared for some work, by its name.

    Args:
        prepare: Prepares some work; the result has a `record`, numbers at an address that stays.
        from_numbers: The work that the numbers of a call's attribute, but for the first two, stand for.
    """

    def __init__(self, prepare: Callable, from_numbers: Callable):
        self._prepare, self._from_numbers = prepare, from_numbers
        # Pairs of a name and the address of a record; where the name is 0, nothing is. Never more than half full.
        self._places = 2 * primitives.MOST
        self._table = np.zeros(2 * self._places, np.int64)
        self._late = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(self._remember_late)

    def remember(self, work: Any) -> Any:
        """Prepares it, and puts the record where handlers look."""
        ready, name = self._prepare(work), primitives.key(work)
        place = name % self._places
        while self._table[2 * place] not in (0, name):
            place = (place + 1) % self._places
        # A handler reads the name first, perhaps at this moment.
        self._table[2 * place + 1] = ready.record.ctypes.data
        self._table[2 * place] = name
        return ready

    def _remember_late(self, frame: int) -> int:
        """Called where a program was compiled by another process: nothing is prepared in this one."""
        try:
            _, _, *numbers = interface.attribute_numbers(frame)
            self.remember(self._from_numbers(numbers))
        except Exception as error:
            message = f"oneDNN cannot compute what a compiled program asks for: {error!r}"
            return interface.error(frame, message)
        return 0

    def finder(self) -> Callable:
        """`find(frame, found)` for handlers: puts the address of the record at an address; returns 0 or an error."""
        table, places, late = self._table.ctypes.data, self._places, self._late

        @numba.njit
        def find(frame, found):
            name = words(attribute(frame))[0]
            entries = words(table)
            place = name % places
            while entries[2 * place] != name:
                if entries[2 * place] == 0:
                    error = late(frame)
                    if error != 0:
                        return error
                    place = name % places
                else:
                    place = (place + 1) % places
            words(found)[0] = entries[2 * place + 1]
            return 0

        return find


_records = Records(primitives.prepared, primitives.from_numbers)


def call(work: primitives.Work, first: jax.Array, second: jax.Array) -> jax.Array:
    """Computes it; within a function that is compiled, or by itself."""
    _register()
    ready = _records.remember(work)
    # In how many parts it is done is part of the program that XLA keeps on disk.
    numbers = [primitives.key(work), library.threads(), *work.numbers()]
    results = (
        jax.ShapeDtypeStruct(work.result, first.dtype),
        jax.ShapeDtypeStruct((ready.workspace,), np.uint8),
    )
    run = jax.ffi.ffi_call(_TARGET, results, vmap_method="sequential")
    return run(first, second, work=np.array(numbers, np.int64))[0]


@functools.cache
def runner() -> Callable:
    """`run(steps, buffers)` for handlers: runs primitives, of which the steps are numbers; see `Prepared`."""
    functions = library.onednn()
    create_memory = interface.function(functions, "dnnl_memory_create", 4)
    destroy_memory = interface.function(functions, "dnnl_memory_destroy", 1)
    create_stream = interface.function(functions, "dnnl_stream_create", 3)
    destroy_stream = interface.function(functions, "dnnl_stream_destroy", 1)
    execute = interface.function(functions, "dnnl_primitive_execute", 4)
    engine = library.engine().value

    @numba.njit
    def run(steps, buffers):
        stream, given = space(1), space(_GIVEN)
        status = create_stream(stream, engine, 0) & 0xFFFFFFFF
        at = 1
        for _ in range(words(steps)[0]):
            primitive, count = words(steps)[at], words(steps)[at + 1]
            at += 2
            for index in range(count):
                row = words(steps + 8 * at)
                where = words(buffers)[row[2]] + row[3]
                words(given)[2 * index] = row[0]
                place = given + 16 * index + 8
                status |= create_memory(place, row[1], engine, where) & 0xFFFFFFFF
                at += 4
            if status == 0:
                status = execute(primitive, words(stream)[0], count, given) & 0xFFFFFFFF
            for index in range(count):
                destroy_memory(words(given)[2 * index + 1])
        destroy_stream(words(stream)[0])
        return status

    return run


@functools.cache
def _register() -> None:
    """Compiles the handler, and makes it known to XLA."""
    run, find = runner(), _records.finder()

    # The numbers of a call: the addresses of its buffers, and of the addresses of its parts' steps.
    @numba.njit
    def part(numbers, index):
        return run(words(words(numbers)[_ALL_BUFFERS])[index], numbers)

    begin, share = interface.shared(part, _ALL_BUFFERS + 1)
    failed = interface.failed()

    @numba.njit
    def handle(frame):
        found = space(1)
        error = find(frame, found)
        if error != 0:
            return error
        record = words(words(found)[0])
        buffers = space(_ALL_BUFFERS)
        for index in range(_BUFFERS):
            words(buffers)[index] = argument(frame, index)
            words(buffers)[_BUFFERS + index] = result(frame, index)
        numbers = begin()
        for index in range(_ALL_BUFFERS):
            words(numbers)[index] = words(buffers)[index]
        words(numbers)[_ALL_BUFFERS] = record[2]
        status = run(record[0], buffers)
        error = share(frame, numbers, record[1])
        if error != 0:
            return error
        status |= run(record[3], buffers)
        return 0 if status == 0 else failed(frame, status)

    interface.register(_TARGET, handle)
