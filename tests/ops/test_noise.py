"""Noise by a kernel of our own is JAX's noise, to the bit."""

import keras
import numpy as np
import pytest

from gm_keras import backend
from gm_keras.ops.random import NoiseSeeds, RandomStream

pytestmark = pytest.mark.backend

DRAWS = {
    "uniform": lambda shape, seed: keras.random.uniform(shape, -0.5, 0.5, seed=seed),
    "normal": lambda shape, seed: keras.random.normal(shape, seed=seed),
    "randint": lambda shape, seed: keras.random.randint(shape, 0, 1000, seed=seed),
}
SHAPES = [(3,), (100, 784), (2**14,), (7, 3001, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("draw", DRAWS)
def test_generators_draw_what_those_of_keras_draw(draw, shape):
    ours, theirs = NoiseSeeds(5), keras.random.SeedGenerator(5)
    for _ in range(2):
        drawn = [
            np.asarray(keras.ops.convert_to_numpy(DRAWS[draw](shape, seeds)))
            for seeds in (ours, theirs)
        ]
        np.testing.assert_array_equal(*drawn)
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(s.state) for s in (ours, theirs)))


@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_draws_are_those_outside(shape):
    def draw(seed):
        return keras.random.normal(shape, seed=RandomStream(seed).at(3))

    compiled = backend.compile_function(draw, [])(np.int32(7))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(compiled),
        keras.ops.convert_to_numpy(draw(np.int32(7))),
        atol=1e-6,
    )


@pytest.mark.skipif(backend.name != "jax", reason="needs JAX")
def test_kernel_and_xla_draw_the_same_bits():
    import jax

    from gm_keras.backend import native, numba_kernels

    if not numba_kernels.wanted():
        pytest.skip("needs the extra native, and not GM_KERAS_NATIVE=0")
    for words in ([0, 0], [1, 2], [2**32 - 1, 2**31]):
        words = np.array(words, "uint32")
        for shape in SHAPES:
            expected = jax.jit(lambda key, shape=shape: jax.random.bits(key, shape))(words)
            actual = jax.jit(
                lambda key, shape=shape: jax.random.bits(native.noise_key(key), shape)
            )(words)
            np.testing.assert_array_equal(actual, expected)
        keys = np.stack([words, words[::-1]])
        many = jax.vmap(lambda key: jax.random.bits(native.noise_key(key), (5000,)))(keys)
        np.testing.assert_array_equal(
            many, jax.vmap(lambda key: jax.random.bits(key, (5000,)))(keys)
        )
    large = jax.jit(lambda key: jax.random.bits(native.noise_key(key), (5000,))).lower(words)
    small = jax.jit(lambda key: jax.random.bits(native.noise_key(key), (50,))).lower(words)
    assert ["gm_keras_noise" in each.as_text() for each in (large, small)] == [True, False]
