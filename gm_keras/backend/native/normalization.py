"""Group normalization with the SiLU after it, one image at a time: what XLA reads and writes seven times stays in the cache."""

import math

import jax
import numba
import numpy as np
from jax.ffi import ffi_call

from gm_keras.backend.intrinsics import address_of, float_of, floats, known, words
from gm_keras.backend.native import interface
from gm_keras.backend.native.exponential import exponential, vectorized
from gm_keras.backend.native.interface import (
    argument,
    asks_for_version,
    attribute,
    begin,
    result,
    share,
)

_TARGET = "gm_keras_normalization"
_FORWARD, _GRADIENT = range(2)
# The numbers of a call: which of the two, then addresses (of what is read, and of what is written), sizes, and epsilon.
_KIND, _INPUTS, _GAMMA, _BETA, _UPSTREAM, _RESULT, _OF_GAMMA, _OF_BETA = range(8)
_POSITIONS, _CHANNELS, _GROUPS, _EPSILON = range(8, 12)
_NUMBERS = 12

_F, _I = numba.float32, numba.int32


def normalize(
    inputs: jax.Array, gamma: jax.Array, beta: jax.Array, groups: int, epsilon: float
) -> jax.Array:
    """(batch, positions, channels), (channels,) twice -> the activated (batch, positions, channels)."""
    shape = jax.ShapeDtypeStruct(inputs.shape, inputs.dtype)
    return _call(_FORWARD, (inputs, gamma, beta), (shape,), groups, epsilon)[0]


def gradients(
    inputs: jax.Array,
    gamma: jax.Array,
    beta: jax.Array,
    upstream: jax.Array,
    groups: int,
    epsilon: float,
) -> list[jax.Array]:
    """The gradient of the inputs; those of gamma and beta for each image, `(batch, channels)`."""
    shape = jax.ShapeDtypeStruct(inputs.shape, inputs.dtype)
    small = jax.ShapeDtypeStruct((inputs.shape[0], inputs.shape[2]), inputs.dtype)
    given = (inputs, gamma, beta, upstream)
    return _call(_GRADIENT, given, (shape, small, small), groups, epsilon)


def _call(kind, given, results, groups, epsilon):
    bits = int(np.float32(epsilon).view(np.int32))
    numbers = np.array([kind, *given[0].shape, groups, bits], np.int64)
    return ffi_call(_TARGET, results, vmap_method="sequential")(*given, work=numbers)


@vectorized
def _moments(inputs, groups, epsilon, mean, scale, sums):
    """Mean, and 1 / standard deviation, of each channel's group."""
    positions, channels = inputs.shape
    size = channels // groups
    count = _F(positions * size)
    sums[:] = _F(0)
    for position in range(positions):
        for channel in range(channels):
            sums[channel] += inputs[position, channel]
    for start in range(0, channels, size):
        total = _F(0)
        for channel in range(start, start + size):
            total += sums[channel]
        for channel in range(start, start + size):
            mean[channel] = total / count
    sums[:] = _F(0)
    for position in range(positions):
        for channel in range(channels):
            deviation = inputs[position, channel] - mean[channel]
            sums[channel] += deviation * deviation
    for start in range(0, channels, size):
        total = _F(0)
        for channel in range(start, start + size):
            total += sums[channel]
        inverse = _F(1) / math.sqrt(total / count + epsilon)
        for channel in range(start, start + size):
            scale[channel] = inverse


@vectorized
def _normalize(inputs, gamma, beta, groups, epsilon, outputs):
    positions, channels = inputs.shape
    mean, scale, shift = np.empty((3, channels), np.float32)
    _moments(inputs, groups, epsilon, mean, scale, shift)
    for channel in range(channels):
        scale[channel] *= gamma[channel]
        shift[channel] = beta[channel] - mean[channel] * scale[channel]
    for position in range(positions):
        for channel in range(channels):
            value = inputs[position, channel] * scale[channel] + shift[channel]
            outputs[position, channel] = value / (_F(1) + exponential(-value))


@vectorized
def _gradients(inputs, gamma, beta, upstream, groups, epsilon, results, of_gamma, of_beta):
    positions, channels = inputs.shape
    mean, scale, shared, sloped = np.empty((4, channels), np.float32)
    _moments(inputs, groups, epsilon, mean, scale, shared)
    of_gamma[:] = _F(0)
    of_beta[:] = _F(0)
    for position in range(positions):
        for channel in range(channels):
            normal = (inputs[position, channel] - mean[channel]) * scale[channel]
            value = normal * gamma[channel] + beta[channel]
            gate = _F(1) / (_F(1) + exponential(-value))
            slope = upstream[position, channel] * gate * (_F(1) + value * (_F(1) - gate))
            results[position, channel] = slope
            of_beta[channel] += slope
            of_gamma[channel] += slope * normal
    size = channels // groups
    count = _F(positions * size)
    for start in range(0, channels, size):
        total, along = _F(0), _F(0)
        for channel in range(start, start + size):
            total += gamma[channel] * of_beta[channel]
            along += gamma[channel] * of_gamma[channel]
        for channel in range(start, start + size):
            shared[channel] = total / count
            sloped[channel] = along / count
    for position in range(positions):
        for channel in range(channels):
            normal = (inputs[position, channel] - mean[channel]) * scale[channel]
            slope = gamma[channel] * results[position, channel]
            results[position, channel] = scale[channel] * (
                slope - shared[channel] - normal * sloped[channel]
            )


@interface.task
def _image(numbers, index):
    """One image of a call."""
    call = words(numbers)
    positions, channels, groups = call[_POSITIONS], call[_CHANNELS], call[_GROUPS]
    epsilon = float_of(_I(call[_EPSILON]))
    before, row = 4 * index * positions * channels, 4 * index * channels
    image = (positions, channels)
    inputs = numba.carray(floats(call[_INPUTS] + before), image)
    outputs = numba.carray(floats(call[_RESULT] + before), image)
    gamma = numba.carray(floats(call[_GAMMA]), (channels,))
    beta = numba.carray(floats(call[_BETA]), (channels,))
    if call[_KIND] == _FORWARD:
        _normalize(inputs, gamma, beta, groups, epsilon, outputs)
    else:
        upstream = numba.carray(floats(call[_UPSTREAM] + before), image)
        of_gamma = numba.carray(floats(call[_OF_GAMMA] + row), (channels,))
        of_beta = numba.carray(floats(call[_OF_BETA] + row), (channels,))
        _gradients(inputs, gamma, beta, upstream, groups, epsilon, outputs, of_gamma, of_beta)
    return 0


known("normalization_part", _image.address)


@interface.handler
def _handle(frame):
    if asks_for_version(frame):
        return 0
    given = words(attribute(frame))
    numbers = begin(_NUMBERS)
    call = words(numbers)
    call[_KIND] = given[0]
    call[_POSITIONS], call[_CHANNELS], call[_GROUPS] = given[2], given[3], given[4]
    call[_EPSILON] = given[5]
    for index in range(3):
        call[_INPUTS + index] = argument(frame, index)
    call[_RESULT] = result(frame, 0)
    if given[0] == _GRADIENT:
        call[_UPSTREAM] = argument(frame, 3)
        call[_OF_GAMMA], call[_OF_BETA] = result(frame, 1), result(frame, 2)
    return share(frame, numbers, given[1], address_of("normalization_part"))


interface.register(_TARGET, _handle)
