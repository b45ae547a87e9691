"""Spectral normalization against SVD, a gradient worked out by hand, and the bound that it puts on slopes."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.convolution import Conv2D
from gm_keras.layers.dense import Dense
from gm_keras.layers.embedding import Embedding
from gm_keras.layers.initializers import HostOrthogonal
from gm_keras.layers.spectral_normalization import SpectralNormalization

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)
INPUTS = {
    "dense": RNG.normal(size=(3, 7)).astype("float32"),
    "convolution": RNG.normal(size=(2, 6, 6, 3)).astype("float32"),
    "embedding": np.array([0, 3, 4], "int32"),
}


def layer(kind: str) -> SpectralNormalization:
    inner = {"dense": Dense(5), "convolution": Conv2D(4, 3), "embedding": Embedding(6, 4)}[kind]
    wrapped = SpectralNormalization(inner)
    wrapped(INPUTS[kind])
    inner.kernel.assign(RNG.normal(0.0, 3.0, size=inner.kernel.shape))
    return wrapped


def matrix(kernel) -> np.ndarray:
    return ops.convert_to_numpy(kernel).reshape(-1, kernel.shape[-1])


@pytest.mark.parametrize("kind", INPUTS)
def test_the_largest_singular_value_comes_to_1(kind):
    normal = layer(kind)
    before = matrix(normal.layer.kernel)
    for _ in range(40):
        normal(INPUTS[kind], training=True)
    np.testing.assert_array_equal(matrix(normal.layer.kernel), before, "the kernel itself stays")
    values = np.linalg.svd(before, compute_uv=False)
    actual = matrix(normal.normalized_kernel())
    np.testing.assert_allclose(actual, before / values[0], atol=1e-3)
    assert np.linalg.svd(actual, compute_uv=False)[0] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("kind", INPUTS)
def test_it_is_the_layer_with_another_kernel(kind):
    normal = layer(kind)
    actual = ops.convert_to_numpy(normal(INPUTS[kind]))
    normal.layer.kernel.assign(ops.convert_to_numpy(normal.normalized_kernel()))
    np.testing.assert_allclose(actual, ops.convert_to_numpy(normal.layer(INPUTS[kind])), atol=1e-5)


def test_a_use_in_training_makes_one_power_iteration_and_one_in_inference_keeps_nothing():
    normal = layer("dense")
    u, w = ops.convert_to_numpy(normal.u), matrix(normal.layer.kernel)
    normal(INPUTS["dense"])
    np.testing.assert_array_equal(ops.convert_to_numpy(normal.u), u)
    v = w @ u / np.linalg.norm(w @ u)
    expected = w.T @ v / np.linalg.norm(w.T @ v)
    sigma = v @ w @ expected
    np.testing.assert_allclose(matrix(normal.normalized_kernel()), w / sigma, rtol=1e-5)
    normal(INPUTS["dense"], training=True)
    np.testing.assert_allclose(ops.convert_to_numpy(normal.u), expected, atol=1e-6)


def test_the_gradient_goes_through_the_singular_value_with_its_vectors_fixed():
    normal = layer("dense")
    u, w = ops.convert_to_numpy(normal.u), matrix(normal.layer.kernel)
    weights = RNG.normal(size=w.shape).astype("float32")
    _, (actual,) = backend.value_and_grad(
        lambda: ops.sum(weights * normal.normalized_kernel(True)),
        [normal.layer.kernel],
        normal.variables,
    )
    v = w @ u / np.linalg.norm(w @ u)
    u = w.T @ v / np.linalg.norm(w.T @ v)
    sigma = v @ w @ u
    expected = (weights - np.sum(weights * w) / sigma * np.outer(v, u)) / sigma
    np.testing.assert_allclose(ops.convert_to_numpy(actual), expected, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(normal.u), u, atol=1e-6)


@pytest.mark.once("tensorflow")
@pytest.mark.parametrize("spectral", [True, False])
def test_no_slope_of_a_network_is_above_1(spectral):
    """Layers of norm 1 and activations of slopes up to 1; without the normalization the slopes are far above."""
    network = keras.Sequential([keras.Input((4,))])
    for units in (8, 8, 1):
        dense = Dense(units, activation=keras.layers.LeakyReLU(0.1))
        network.add(SpectralNormalization(dense) if spectral else dense)
        noise = RNG.normal(0.0, 0.2, dense.kernel.shape)
        dense.kernel.assign(5.0 * HostOrthogonal(seed=2)(dense.kernel.shape) + noise)
    for _ in range(20):
        network(np.zeros((1, 4), "float32"), training=True)
    one, other = RNG.normal(size=(2, 2000, 4)).astype("float32")
    # Near by, so that both are mostly in one linear piece.
    other = one + 0.01 * other
    rise = ops.convert_to_numpy(network(one) - network(other))[:, 0]
    slopes = np.abs(rise) / np.linalg.norm(one - other, axis=1)
    if spectral:
        assert slopes.max() <= 1.001
        assert slopes.max() > 0.2, "and it is no constant"
    else:
        assert slopes.max() > 10.0


@pytest.mark.once("tensorflow")
def test_a_layer_that_takes_no_other_kernel_is_refused():
    with pytest.raises(ValueError, match="layer must be one of gm_keras"):
        SpectralNormalization(keras.layers.Dense(3))


@pytest.mark.once("tensorflow")
def test_a_saved_layer_goes_on_from_its_vector(tmp_path):
    model = keras.Sequential([keras.Input((7,)), SpectralNormalization(Dense(5))])
    model(INPUTS["dense"], training=True)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(copy(INPUTS["dense"])), ops.convert_to_numpy(model(INPUTS["dense"]))
    )


@pytest.mark.once("tensorflow")
@pytest.mark.parametrize("shape", [(3, 3, 2, 5), (4, 9)])
def test_orthogonal_weights_are_orthonormal(shape):
    kernel = matrix(HostOrthogonal(seed=1)(shape))
    small = kernel.T @ kernel if kernel.shape[0] >= kernel.shape[1] else kernel @ kernel.T
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-6)
