"""Calls of oneDNN from within a program that XLA compiled."""

from collections.abc import Callable
from typing import Any

import jax
import numba
import numpy as np
from jax.ffi import ffi_call

from gm_keras.backend.intrinsics import (
    address_of,
    called,
    for_good,
    known,
    of_library,
    of_python,
    space,
    words,
)
from gm_keras.backend.native import interface, library, primitives
from gm_keras.backend.native.interface import (
    argument,
    asks_for_version,
    attribute,
    begin,
    failed,
    result,
    share,
)
from gm_keras.backend.numba_kernels import compiled

_TARGET = "gm_keras_onednn"
# A call has two arguments and two results. A primitive has no more than its parts' results, a sum and a scratchpad, of
# two words each.
_BUFFERS, _ALL_BUFFERS, _GIVEN = 2, 4, 2 * (primitives.MOST_PARTS + 2)
# Of a table of records.
_PLACES = 2 * primitives.MOST


class Records:
    """Where handlers find what is prepared for some work, by its name.

    Args:
        name: Compiled code knows its table as `name_table`, and a function for what is not in it as `name_late`.
        prepare: Prepares some work; the result has a `record`, numbers at an address that stays.
        from_numbers: The work that the numbers of a call's attribute, but for the first two, stand for.
    """

    def __init__(self, name: str, prepare: Callable, from_numbers: Callable):
        self._prepare, self._from_numbers = prepare, from_numbers
        # Pairs of a name and the address of a record; where the name is 0, nothing is. Never more than half full.
        self._table = np.zeros(2 * _PLACES, np.int64)
        for_good(self._table)
        known(f"{name}_table", self._table.ctypes.data)
        of_python(f"{name}_late", self._remember_late, 1)

    def remember(self, work: Any) -> Any:
        """Prepares it, and puts the record where handlers look."""
        ready, name = self._prepare(work), primitives.key(work)
        place = name % _PLACES
        while self._table[2 * place] not in (0, name):
            place = (place + 1) % _PLACES
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


@compiled(numba.njit)
def find(frame, found, table, late):
    """Puts the address of the record of a call at an address; returns 0 or an error.

    Args:
        frame: Of the call.
        found: Where to put it.
        table: Address of the table of `Records`.
        late: Address of its function for what is not in it.
    """
    name = words(attribute(frame))[0]
    entries, places = words(table), _PLACES
    place = name % places
    while entries[2 * place] != name:
        if entries[2 * place] == 0:
            error = called(late, frame, 0)
            if error != 0:
                return error
            place = name % places
        else:
            place = (place + 1) % places
    words(found)[0] = entries[2 * place + 1]
    return 0


_records = Records("onednn", primitives.prepared, primitives.from_numbers)


def call(work: primitives.Work, first: jax.Array, second: jax.Array) -> jax.Array:
    """Computes it; within a function that is compiled, or by itself."""
    ready = _records.remember(work)
    # In how many parts it is done is part of the program that XLA keeps on disk.
    numbers = [primitives.key(work), library.threads(), *work.numbers()]
    results = (
        jax.ShapeDtypeStruct(work.result, first.dtype),
        jax.ShapeDtypeStruct((ready.workspace,), np.uint8),
    )
    run = ffi_call(_TARGET, results, vmap_method="sequential")
    return run(first, second, work=np.array(numbers, np.int64))[0]


_library = library.onednn()
_create_memory = of_library(_library, "dnnl_memory_create", 4)
_destroy_memory = of_library(_library, "dnnl_memory_destroy", 1)
_create_stream = of_library(_library, "dnnl_stream_create", 3)
_destroy_stream = of_library(_library, "dnnl_stream_destroy", 1)
_execute = of_library(_library, "dnnl_primitive_execute", 4)
_threads = of_library(library.openmp(), "omp_get_max_threads", 0)
_set_threads = of_library(library.openmp(), "omp_set_num_threads", 1)
known("engine", library.engine().value)


@compiled(numba.njit)
def run(steps, buffers):
    """Runs primitives, of which the steps are numbers; see `Prepared`. Returns 0 or what went wrong."""
    engine = address_of("engine")
    # See `library.openmp`.
    threads = _threads() & 0xFFFFFFFF
    _set_threads(1)
    stream, given = space(1), space(_GIVEN)
    status = _create_stream(stream, engine, 0) & 0xFFFFFFFF
    at = 1
    for _ in range(words(steps)[0]):
        primitive, count = words(steps)[at], words(steps)[at + 1]
        at += 2
        for index in range(count):
            row = words(steps + 8 * at)
            where = words(buffers)[row[2]] + row[3]
            words(given)[2 * index] = row[0]
            place = given + 16 * index + 8
            status |= _create_memory(place, row[1], engine, where) & 0xFFFFFFFF
            at += 4
        if status == 0:
            status = _execute(primitive, words(stream)[0], count, given) & 0xFFFFFFFF
        for index in range(count):
            _destroy_memory(words(given)[2 * index + 1])
    _destroy_stream(words(stream)[0])
    _set_threads(threads)
    return status


@interface.task
def _part(numbers, index):
    """The numbers of a call: the addresses of its buffers, and of the addresses of its parts' steps."""
    return run(words(words(numbers)[_ALL_BUFFERS])[index], numbers)


known("onednn_part", _part.address)


@interface.handler
def _handle(frame):
    if asks_for_version(frame):
        return 0
    found = space(1)
    error = find(frame, found, address_of("onednn_table"), address_of("onednn_late"))
    if error != 0:
        return error
    record = words(words(found)[0])
    buffers = space(_ALL_BUFFERS)
    for index in range(_BUFFERS):
        words(buffers)[index] = argument(frame, index)
        words(buffers)[_BUFFERS + index] = result(frame, index)
    numbers = begin(_ALL_BUFFERS + 1)
    for index in range(_ALL_BUFFERS):
        words(numbers)[index] = words(buffers)[index]
    words(numbers)[_ALL_BUFFERS] = record[2]
    status = run(record[0], buffers)
    error = share(frame, numbers, record[1], address_of("onednn_part"))
    if error != 0:
        return error
    status |= run(record[3], buffers)
    return 0 if status == 0 else failed(frame, status)


interface.register(_TARGET, _handle)
