"""Causal convolutions: steps with a ring buffer equal the convolution of the whole sequence."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.causal_convolution import CausalConvolution1D

pytestmark = pytest.mark.backend

LENGTH, CHANNELS = 20, 3


def layer(dilation: int, kernel_size: int = 2, filters: int = 4, **options) -> CausalConvolution1D:
    options = {"bias_initializer": "random_normal", **options}
    result = CausalConvolution1D(filters, kernel_size, dilation, **options)
    result.build((None, LENGTH, CHANNELS))
    return result


def sequence(batch: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, LENGTH, CHANNELS)).astype("float32")


def stepped(convolution: CausalConvolution1D, x: np.ndarray) -> np.ndarray:
    """The outputs of the steps, in one compiled loop."""

    def run(inputs):
        def body(position, state):
            outputs, cache = state
            column = ops.squeeze(ops.slice(inputs, (0, position, 0), (len(x), 1, CHANNELS)), 1)
            output, cache = convolution.step(column, position, cache)
            return ops.slice_update(outputs, (0, position, 0), ops.expand_dims(output, 1)), cache

        outputs = ops.zeros((len(x), LENGTH, convolution.filters))
        cache = convolution.initial_cache(len(x))
        return ops.fori_loop(0, LENGTH, body, (outputs, cache))[0]

    return ops.convert_to_numpy(backend.compile_function(run, convolution.variables)(x))


@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_steps_equal_the_whole(dilation, kernel_size):
    convolution = layer(dilation, kernel_size, activation="tanh")
    x = sequence()
    expected = ops.convert_to_numpy(convolution(x))
    np.testing.assert_allclose(stepped(convolution, x), expected, atol=1e-5)


def test_the_whole_is_the_sum_that_defines_it():
    convolution = layer(dilation=2, kernel_size=3)
    kernel, bias = (ops.convert_to_numpy(each) for each in convolution.variables)
    x = sequence()
    expected = np.tile(bias, (2, LENGTH, 1))
    for time in range(LENGTH):
        for tap in range(3):
            past = time - 2 * (2 - tap)
            if past >= 0:
                expected[:, time] += x[:, past] @ kernel[tap]
    np.testing.assert_allclose(ops.convert_to_numpy(convolution(x)), expected, atol=1e-5)


def test_a_stack_of_dilations_sees_all_of_its_receptive_field_and_no_more():
    """By gradient: 1 + (2 - 1) * (1 + 2 + 4) inputs, the present one included."""
    stack = [layer(1, filters=CHANNELS), layer(2, filters=CHANNELS), layer(4, filters=CHANNELS)]
    state = [variable for each in stack for variable in each.variables]

    def output(x, time=13):
        for each in stack:
            x = each(x)
        return x[:, time]

    gradient = backend.gradient(output, ops.convert_to_tensor(sequence(1)), state)
    seen = np.abs(ops.convert_to_numpy(gradient)).sum(axis=(0, 2)) > 0
    np.testing.assert_array_equal(np.flatnonzero(seen), np.arange(13 - 7, 14))


def test_a_step_costs_the_same_at_every_position():
    convolution = layer(dilation=4, kernel_size=3)
    cache = convolution.initial_cache(2)
    assert tuple(cache.shape) == (2, 8, CHANNELS)
    for position in (0, 5, 1000):
        output, after = convolution.step(ops.ones((2, CHANNELS)), position, cache)
        assert tuple(after.shape) == tuple(cache.shape)
        assert tuple(output.shape) == (2, 4)


def test_the_configuration_rebuilds_the_layer():
    convolution = layer(dilation=4, kernel_size=3, activation="relu")
    copy = CausalConvolution1D.from_config(convolution.get_config())
    assert copy.get_config() == convolution.get_config()
    assert copy.reach == 8
    assert copy.activation is keras.activations.relu
    with pytest.raises(ValueError, match="padding"):
        CausalConvolution1D(2, padding="same")
