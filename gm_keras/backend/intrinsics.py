"""What numba's language lacks: memory and functions by their addresses, and numbers that several threads change.

Compiled code that is kept on disk has no addresses in it: it knows those of a process by names.
"""

import ctypes
from collections.abc import Callable

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_PREFIX = "gm_keras_"


def for_good(thing: object) -> None:
    """Keeps it until the process ends: threads of libraries may use it when Python's modules are gone already."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def known(name: str, address: int) -> None:
    """Gives an address a name."""
    binding.add_symbol(_PREFIX + name, address)


@intrinsic(prefer_literal=True)
def address_of(typing, name):
    """The address that has a name."""
    symbol = _PREFIX + name.literal_value

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [])
        here = cgutils.get_or_insert_function(builder.module, kind, symbol)
        return builder.ptrtoint(here, context.get_value_type(types.int64))

    return types.int64(name), generate


def of_library(where: ctypes.CDLL, name: str, count: int) -> types.ExternalFunction:
    """A function of C, for compiled code; all of its arguments are numbers or addresses."""
    return _function(name, getattr(where, name), count)


def of_python(name: str, call: Callable, count: int) -> types.ExternalFunction:
    """A function of Python, likewise; it must not be called where Python's lock is held for good."""
    made = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(call)
    for_good(made)
    return _function(name, made, count)


def _function(name, pointer, count):
    known(name, ctypes.cast(pointer, ctypes.c_void_p).value)
    return types.ExternalFunction(_PREFIX + name, types.int64(*[types.int64] * count))


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
def added(typing, address, number):
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
