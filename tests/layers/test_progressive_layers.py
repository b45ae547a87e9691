"""The layers of progressive growing: against constants, NumPy, and finite differences of second derivatives."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.equalized import EqualizedConv2D, EqualizedDense
from gm_keras.layers.fade_in import FadeIn
from gm_keras.layers.minibatch_deviation import MinibatchDeviation
from gm_keras.layers.pixel_normalization import PixelNormalization

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)


def numpy(x) -> np.ndarray:
    return ops.convert_to_numpy(x)


def test_an_equalized_dense_layer_scales_its_weights_in_each_call():
    layer = EqualizedDense(2, gain=3.0)
    layer.build((None, 9))
    layer.kernel.assign(np.ones((9, 2)))
    layer.bias.assign([0.0, 5.0])
    # Nine inputs of 2 with weights 3 / sqrt(9) = 1.
    np.testing.assert_allclose(numpy(layer(np.full((1, 9), 2.0, "float32"))), [[18.0, 23.0]])


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_an_equalized_convolution_is_one_with_scaled_weights(kernel_size):
    ours = EqualizedConv2D(5, kernel_size)
    x = RNG.normal(size=(2, 6, 6, 4)).astype("float32")
    actual = numpy(ours(x))
    theirs = keras.layers.Conv2D(5, kernel_size, padding="same")
    theirs.build(x.shape)
    he = np.sqrt(2.0 / (kernel_size**2 * 4))
    theirs.set_weights([numpy(ours.kernel) * he, RNG.normal(size=5)])
    ours.bias.assign(theirs.bias.numpy())
    assert not np.allclose(actual, numpy(theirs(x)), atol=1e-3)
    np.testing.assert_allclose(numpy(ours(x)), numpy(theirs(x)), atol=1e-5)


def test_equalized_weights_start_with_unit_variance_and_keep_that_of_rectified_inputs():
    layers = [EqualizedDense(400), EqualizedDense(400)]
    x = RNG.normal(size=(200, 300)).astype("float32")
    for layer in layers:
        x = np.maximum(numpy(layer(x)), 0.0)
        assert numpy(layer.kernel).std() == pytest.approx(1.0, rel=0.02)
    assert np.square(x).mean() == pytest.approx(1.0, rel=0.1)
    assert not np.array_equal(numpy(layers[0].kernel)[:300], numpy(layers[1].kernel)[:300])


def test_pixel_normalization_gives_every_pixel_a_mean_square_of_one():
    x = RNG.normal(2.0, 3.0, size=(2, 3, 3, 8)).astype("float32")
    actual = numpy(PixelNormalization()(x))
    expected = x / np.sqrt(np.square(x).mean(-1, keepdims=True))
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    zeros = numpy(PixelNormalization()(np.zeros((1, 4), "float32")))
    np.testing.assert_array_equal(zeros, 0.0)


def test_minibatch_deviation_against_numpy():
    x = RNG.normal(size=(6, 3, 2, 4)).astype("float32") * np.array([0.5, 1.0, 2.0, 4.0], "float32")
    actual = numpy(MinibatchDeviation()(x))
    assert actual.shape == (6, 3, 2, 5)
    np.testing.assert_array_equal(actual[..., :4], x)
    np.testing.assert_allclose(actual[..., 4], np.full((6, 3, 2), x.std(axis=0).mean()), rtol=1e-5)


def test_minibatch_deviation_of_equal_examples_is_nothing():
    x = np.repeat(RNG.normal(size=(1, 2, 2, 3)), 4, axis=0).astype("float32")
    assert numpy(MinibatchDeviation()(x))[..., 3].max() < 1.1e-4


def test_fade_in_is_exact_at_both_ends():
    old, new = RNG.normal(size=(2, 3, 2, 2, 1)).astype("float32")
    actual = numpy(FadeIn()([old, new, np.array([0.0, 0.25, 1.0], "float32")]))
    np.testing.assert_array_equal(actual[0], old[0])
    np.testing.assert_allclose(actual[1], 0.75 * old[1] + 0.25 * new[1], atol=1e-6)
    np.testing.assert_array_equal(actual[2], new[2])


@pytest.mark.parametrize("layer", [MinibatchDeviation(1e-4), PixelNormalization(1e-4)])
def test_the_gradient_of_a_gradient_penalty(layer):
    """A penalty takes these layers' second derivative: against differences of the penalty."""
    x = RNG.normal(size=(3, 2, 1, 2)).astype("float32")
    scale = keras.Variable(np.ones(2, "float32"))
    # Another weight for each pixel: a normalized pixel's own sum hardly has a gradient.
    weights = ops.convert_to_tensor(RNG.normal(size=(2, 1, 3)).astype("float32"))

    def penalty():
        def critic(inputs):
            outputs = layer(inputs * scale)
            return ops.sum(
                ops.multiply(ops.tanh(outputs), weights[:, :, : outputs.shape[-1]]), (1, 2, 3)
            )

        slopes = backend.gradient(critic, ops.convert_to_tensor(x), [scale])
        return ops.sum(ops.square(slopes))

    _, (actual,) = backend.value_and_grad(penalty, [scale], [scale])
    expected = []
    for index in range(2):
        values = []
        for step in (1e-2, -1e-2):
            moved = np.ones(2, "float32")
            moved[index] += step
            scale.assign(moved)
            values.append(float(penalty()))
        scale.assign(np.ones(2, "float32"))
        expected.append((values[0] - values[1]) / 2e-2)
    np.testing.assert_allclose(numpy(actual), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    "layer",
    [
        EqualizedDense(3, gain=1.5),
        EqualizedConv2D(3, 1, gain=1.5),
        PixelNormalization(1e-3),
        MinibatchDeviation(1e-3),
    ],
)
def test_the_configuration_rebuilds_the_layer(layer):
    x = RNG.normal(size=(2, 4, 4, 3)).astype("float32")
    expected = numpy(layer(x))
    copy = type(layer).from_config(layer.get_config())
    copy.build(x.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(numpy(copy(x)), expected)
    assert layer.compute_output_shape(x.shape) == expected.shape
