"""JAX's random bits, the same ones, for JAX on a CPU: XLA computes them in a loop of small passes over all counters."""

import functools
from typing import Any

import jax
import numba
import numpy as np
from jax.extend.random import define_prng_impl, threefry_prng_impl
from jax.ffi import ffi_call

from gm_keras.backend.intrinsics import address_of, halves, known, words
from gm_keras.backend.native import interface
from gm_keras.backend.native.exponential import vectorized
from gm_keras.backend.native.interface import (
    argument,
    asks_for_version,
    attribute,
    begin,
    result,
    share,
)

_TARGET = "gm_keras_noise"
# Counters in a part, and from which on a call is worth it.
_PART, _WORTH = 2**14, 2**9
# The numbers of a call: addresses of the key and of the bits, and how many there are.
_KEY, _BITS, _SIZE = range(3)
_NUMBERS = 3
_U = numba.uint32
_PARITY = np.uint32(0x1BD11BDA)


@functools.cache
def implementation() -> Any:
    """What JAX's keys are wrapped with: its own Threefry, but for large draws of 32 bits."""
    plain = threefry_prng_impl

    def random_bits(key, bit_width, shape):
        size = int(np.prod(shape, dtype=np.int64))
        # A JAX without the switch draws as others do with it.
        partitionable = getattr(jax.config, "jax_threefry_partitionable", True)
        if bit_width != 32 or size < _WORTH or not partitionable:
            return plain.random_bits(key, bit_width, shape)
        bits = jax.ShapeDtypeStruct(shape, np.uint32)
        call = ffi_call(_TARGET, bits, vmap_method="sequential")
        return call(key, work=np.array([size], np.int64))

    return define_prng_impl(
        key_shape=plain.key_shape,
        seed=plain.seed,
        split=plain.split,
        random_bits=random_bits,
        fold_in=plain.fold_in,
        name="gm_keras_threefry",
        tag="gmk",
    )


@vectorized
def _round(first, second, distance):
    first = _U(first + second)
    turned = _U(_U(second << _U(distance)) | _U(second >> _U(32 - distance)))
    return first, _U(turned ^ first)


@vectorized
def _even(first, second):
    first, second = _round(first, second, 13)
    first, second = _round(first, second, 15)
    first, second = _round(first, second, 26)
    return _round(first, second, 6)


@vectorized
def _odd(first, second):
    first, second = _round(first, second, 17)
    first, second = _round(first, second, 29)
    first, second = _round(first, second, 16)
    return _round(first, second, 24)


@vectorized
def _fill(bits, start, one, two):
    """Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") of counters."""
    three = _U(_U(one ^ two) ^ _PARITY)
    for index in range(len(bits)):
        counter = start + index
        first, second = _U(_U(counter >> 32) + one), _U(_U(counter) + two)
        first, second = _even(first, second)
        first, second = _odd(_U(first + two), _U(second + _U(three + _U(1))))
        first, second = _even(_U(first + three), _U(second + _U(one + _U(2))))
        first, second = _odd(_U(first + one), _U(second + _U(two + _U(3))))
        first, second = _even(_U(first + two), _U(second + _U(three + _U(4))))
        bits[index] = _U(first + three) ^ _U(second + _U(one + _U(5)))


@interface.task
def _part(numbers, index):
    call = words(numbers)
    start = index * _PART
    count = min(_PART, call[_SIZE] - start)
    key = numba.carray(halves(call[_KEY]), (2,))
    bits = numba.carray(halves(call[_BITS] + 4 * start), (count,))
    _fill(bits, start, key[0], key[1])
    return 0


known("noise_part", _part.address)


@interface.handler
def _handle(frame):
    if asks_for_version(frame):
        return 0
    numbers = begin(_NUMBERS)
    call = words(numbers)
    call[_KEY], call[_BITS] = argument(frame, 0), result(frame, 0)
    call[_SIZE] = words(attribute(frame))[0]
    parts = (call[_SIZE] + _PART - 1) // _PART
    return share(frame, numbers, parts, address_of("noise_part"))


interface.register(_TARGET, _handle)
