"""Seeds of 32 bits: each has noise of its own."""

import keras
import numpy as np
import pytest

from gm_keras.models.latent.vae import VAE
from gm_keras.ops.random import RandomStream, later_seed, seed_word

pytestmark = pytest.mark.backend

#: Also those that a remainder would make one.
SEEDS = [
    0,
    1,
    5,
    2**31 - 3,
    2**31 - 2,
    2**31 - 1,
    2**31,
    2**31 + 1,
    2**31 + 5,
    2**32 - 2,
    2**32 - 1,
]


def drawn(seed) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.random.normal((4,), seed=RandomStream(seed).at(2)))


def test_every_bit_of_a_seed_counts():
    assert len({drawn(seed).tobytes() for seed in SEEDS}) == len(SEEDS)
    for seed in SEEDS:
        np.testing.assert_array_equal(drawn(seed), drawn(seed_word(seed)))


def test_the_state_of_small_seeds_is_that_of_keras():
    class Held(keras.random.SeedGenerator):
        def next(self, ordered=True):
            del ordered
            # The word after the seed is that of `RandomStream.at(2)`.
            return keras.ops.cast([7, 2 * 2654435 + 12345], self.state.dtype)

    expected = keras.ops.convert_to_numpy(keras.random.normal((4,), seed=Held(0)))
    np.testing.assert_array_equal(drawn(7), expected)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", True, None])
def test_other_values_are_no_seeds(seed):
    with pytest.raises(ValueError, match="a seed is an integer from 0 to 4294967295"):
        seed_word(seed)


def test_later_seeds():
    assert later_seed(5, 0) == 5
    assert later_seed(5, 7919) == 7924
    assert later_seed(2**31 - 1, 2) == 1
    assert len({later_seed(seed, 7919) for seed in SEEDS}) == len(SEEDS)


def test_models_keep_seeds_apart():
    model = VAE((8,), latent_dim=2, network="dense", units=(4,))
    x = np.zeros((3, 8), "float32")
    low, high = 5, 5 + 2**31
    for call in (
        lambda seed: model.sample(3, seed=seed, batch_size=2),
        lambda seed: model.draw_latents(3, seed=seed),
        lambda seed: model.elbo(x, seed=seed),
    ):
        first, second = (keras.ops.convert_to_numpy(call(seed)) for seed in (low, high))
        assert not np.array_equal(first, second)
