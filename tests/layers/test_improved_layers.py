"""The layers of improved GANs: minibatch discrimination and virtual batch normalization against NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.layers.minibatch_discrimination import MinibatchDiscrimination
from gm_keras.layers.virtual_batch_normalization import (
    VirtualBatchNormalization,
    WithoutReference,
    WithReference,
)

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)


def numpy(x) -> np.ndarray:
    return ops.convert_to_numpy(x)


def test_minibatch_discrimination_against_numpy():
    layer = MinibatchDiscrimination(3, 2)
    x = RNG.normal(size=(4, 5)).astype("float32")
    actual = numpy(layer(x))
    assert actual.shape == layer.compute_output_shape(x.shape) == (4, 8)
    np.testing.assert_array_equal(actual[:, :5], x)
    matrices = np.einsum("na,abc->nbc", x, numpy(layer.kernel).reshape(5, 3, 2))
    for i in range(4):
        for b in range(3):
            closeness = sum(np.exp(-np.abs(matrices[i, b] - each[b]).sum()) for each in matrices)
            assert actual[i, 5 + b] == pytest.approx(closeness, rel=1e-4)


def test_minibatch_discrimination_counts_equal_examples():
    x = np.repeat(RNG.normal(size=(1, 5)), 6, axis=0).astype("float32")
    np.testing.assert_allclose(numpy(MinibatchDiscrimination(3, 2)(x))[:, 5:], 6.0, rtol=1e-4)


@pytest.mark.parametrize("shape", [(3,), (2, 2, 3)])
def test_virtual_batch_normalization_against_numpy(shape):
    layer = VirtualBatchNormalization(4, epsilon=1e-3, gamma_initializer="ones")
    x = RNG.normal(2.0, 3.0, size=(6, *shape)).astype("float32")
    actual = numpy(layer(x))
    layer.gamma.assign([1.0, 2.0, 3.0])
    layer.beta.assign([0.0, 0.0, 5.0])
    reference, places = x[:4], tuple(range(len(shape) - 1))
    moments = [(each.mean((0, *(p + 1 for p in places)))) for each in (reference, reference**2)]
    for row in range(6):
        own = [each.mean(places) if places else each for each in (x[row], x[row] ** 2)]
        share = 0.0 if row < 4 else 1.0 / 5.0
        mean, square = (
            share * mine + (1 - share) * all_ for mine, all_ in zip(own, moments, strict=True)
        )
        expected = (x[row] - mean) / np.sqrt(square - mean**2 + 1e-3)
        np.testing.assert_allclose(actual[row], expected, atol=1e-5)
        scaled = expected * [1.0, 2.0, 3.0] + [0.0, 0.0, 5.0]
        np.testing.assert_allclose(numpy(layer(x))[row], scaled, atol=1e-4)


def test_a_reference_batch_comes_and_goes():
    layer = WithReference(3)
    x = RNG.normal(size=(2, 4)).astype("float32")
    together = numpy(layer(x))
    np.testing.assert_array_equal(together[3:], x)
    np.testing.assert_array_equal(together[:3], numpy(layer(x[:1]))[:3])
    assert np.abs(together[:3]).max() <= 1.0
    assert together[:3].std() > 0.2
    np.testing.assert_array_equal(numpy(WithoutReference(3)(together)), x)


@pytest.mark.parametrize(
    "layer",
    [
        MinibatchDiscrimination(3, 2),
        VirtualBatchNormalization(2, 1e-3, keras.initializers.Constant(2.0)),
        WithReference(2),
        WithoutReference(2),
    ],
)
def test_the_configuration_rebuilds_the_layer(layer):
    x = RNG.normal(size=(4, 3)).astype("float32")
    expected = numpy(layer(x))
    copy = type(layer).from_config(layer.get_config())
    copy.build(x.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(numpy(copy(x)), expected)
    assert layer.compute_output_shape(x.shape) == expected.shape
