"""Noise that is a function of a seed and a step, also inside compiled loops."""

from typing import Any

import keras
import numpy as np
from keras import ops

from gm_keras import backend


class NoiseSeeds(keras.random.SeedGenerator):
    """Keras' own generator of seeds; the same noise, drawn sooner where the backend knows how."""

    def next(self, ordered=True):
        """The seed of one draw."""
        return backend.noise_key(super().next(ordered))


class _FixedSeed(keras.random.SeedGenerator):
    """What `keras.random` takes as a seed, holding a given state and no variable.

    `keras.random` refuses tensors as seeds on some backends but asks any `SeedGenerator` for `next()`.
    """

    def __init__(self, state):
        self._fixed_state = state

    def next(self, ordered=True):
        del ordered
        return backend.noise_key(self._fixed_state)


def seed_word(seed: Any) -> np.int32:
    """A seed as compiled functions take it: its 32 bits, of which the first is the sign.

    Args:
        seed: An integer from 0 to 2**32 - 1.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"a seed is an integer from 0 to {2**32 - 1}")
    return np.uint32(seed).view(np.int32)


def later_seed(seed: int, distance: int) -> int:
    """A seed of 32 bits for a later part of what `seed` begins; different seeds keep different ones."""
    return (seed & 2**31) + (seed + distance) % 2**31


class RandomStream:
    """A stream of seeds for `keras.random`, without state on the device.

    Args:
        seed: An integer from 0 to 2**32 - 1, or its `seed_word`, also as a tensor (so that compiled functions
            serve every seed).
    """

    def __init__(self, seed):
        if isinstance(seed, int):
            seed = seed_word(seed)
        self._seed = ops.cast(ops.convert_to_tensor(seed), "int32")
        self._draws = 0

    def next(self) -> keras.random.SeedGenerator:
        """A new seed at each call; not for use inside a compiled loop's body."""
        self._draws += 1
        return self._state(-self._draws)

    def at(self, index) -> keras.random.SeedGenerator:
        """The seed of a step of a loop: `index` is an integer of 0 or more, or such a tensor."""
        return self._state(index)

    def _state(self, index) -> keras.random.SeedGenerator:
        index = ops.cast(ops.convert_to_tensor(index), "int32")
        # An odd multiplier keeps different (seed, index) pairs apart on backends that add the two words.
        return _FixedSeed(backend.fixed_seed(self._seed, index * 2654435 + 12345))
