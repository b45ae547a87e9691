"""Sums over positions: values, gradients and second gradients are those of Keras' own."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.layers.everywhere import AddEverywhere
from gm_keras.ops.positions import add_everywhere, spread, sum_positions
from tests.ops.test_projection import gradients, values

pytestmark = pytest.mark.backend


def mean_and_scale(inputs, scale, vectors):
    """What group normalization does with them, and a condition."""
    positions = inputs.shape[1]
    deviations = inputs + spread(-sum_positions(inputs) / positions, positions)
    return ops.tanh(add_everywhere(deviations * spread(scale, positions), vectors))


def stock(inputs, scale, vectors):
    deviations = inputs - ops.mean(inputs, axis=1, keepdims=True)
    return ops.tanh(deviations * scale[:, None] + vectors[:, None])


@pytest.mark.parametrize("shape", [(1, 1, 4), (3, 1, 4), (3, 7, 4), (2, 64, 5)])
def test_values_and_derivatives(shape):
    vectors = (shape[0], shape[2])
    arguments = [values(shape, 0), values(vectors, 1), values(vectors, 2)]
    np.testing.assert_allclose(
        ops.convert_to_numpy(mean_and_scale(*arguments)),
        ops.convert_to_numpy(stock(*arguments)),
        atol=1e-5,
    )
    ours, theirs = gradients(mean_and_scale, arguments), gradients(stock, arguments)
    for our, their in zip(ours, theirs, strict=True):
        assert our.shape == their.shape
        np.testing.assert_allclose(
            ops.convert_to_numpy(our), ops.convert_to_numpy(their), rtol=1e-3, atol=5e-5
        )


@pytest.mark.parametrize("size", [(), (5,), (3, 4), (2, 3, 4)])
def test_a_vector_at_every_position(size):
    features, vectors = values((2, *size, 6), 0), values((2, 6), 1)
    added = ops.convert_to_numpy(AddEverywhere()([features, vectors]))
    flat = ops.convert_to_numpy(features).reshape(2, math.prod(size), 6)
    expected = flat + ops.convert_to_numpy(vectors)[:, None]
    np.testing.assert_allclose(added, expected.reshape(features.shape), atol=1e-6)


def test_the_layer_knows_its_shape_and_keeps_the_precision():
    layer = AddEverywhere(dtype="mixed_bfloat16")
    outputs = layer([keras.Input((4, 4, 6), dtype="bfloat16"), keras.Input((6,), dtype="bfloat16")])
    assert outputs.shape == (None, 4, 4, 6)
    assert outputs.dtype == "bfloat16"
