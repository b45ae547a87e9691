"""Products and biases: values, gradients and second gradients are those of Keras' own."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.dense import Dense
from gm_keras.ops.projection import add_bias, project
from tests.systems import at_once

pytestmark = pytest.mark.backend


def values(shape, seed):
    return ops.cast(np.random.default_rng(seed).normal(size=shape), "float32")


def layer(inputs, kernel, bias, *, project=project, add=add_bias):
    return ops.tanh(add(project(inputs, kernel), bias))


def stock(inputs, kernel, bias):
    return layer(inputs, kernel, bias, project=ops.matmul, add=ops.add)


def gradients(function, arguments):
    """Of the sum with respect to each argument, and of their sines with respect to each again."""

    def of(index, function, arguments):
        return backend.gradient(
            lambda value: function(*arguments[:index], value, *arguments[index + 1 :]),
            arguments[index],
            [],
        )

    def mixed(*arguments):
        return sum(ops.sum(ops.sin(of(index, function, arguments))) for index in range(3))

    compute = at_once(
        lambda *arguments: [of(i, each, arguments) for each in (function, mixed) for i in range(3)]
    )
    return compute(*arguments)


@pytest.mark.parametrize("shape", [(1, 5), (4, 5), (2, 3, 5), (2, 3, 4, 5)])
def test_values_and_derivatives(shape):
    arguments = [values(shape, 0), values((5, 7), 1), values((7,), 2)]
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(*arguments)), ops.convert_to_numpy(stock(*arguments)), atol=1e-5
    )
    for ours, theirs in zip(gradients(layer, arguments), gradients(stock, arguments), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs), rtol=1e-3, atol=2e-5
        )


def test_the_layer_has_the_weights_and_values_of_that_of_keras():
    inputs = values((3, 4, 5), 0)
    first, second = Dense(6, activation="relu"), keras.layers.Dense(6, activation="relu")
    first(inputs)
    second(inputs)
    first.set_weights(second.get_weights())
    np.testing.assert_allclose(
        ops.convert_to_numpy(first(inputs)), ops.convert_to_numpy(second(inputs)), atol=1e-6
    )


def test_in_mixed_precision_it_computes_in_bfloat16():
    layer = Dense(6, dtype="mixed_bfloat16")
    outputs = layer(values((3, 5), 0))
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(layer.kernel.dtype) == "float32"
