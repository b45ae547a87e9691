"""Normalization: values against Keras' layer, second derivatives against finite differences."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.normalization import GroupNormalization

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_values_are_those_of_keras(groups):
    x = RNG.normal(1.0, 2.0, size=(3, 4, 5, 8)).astype("float32")
    ours, theirs = GroupNormalization(groups), keras.layers.GroupNormalization(groups, epsilon=1e-5)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours(x)), ops.convert_to_numpy(theirs(x)), atol=1e-5
    )


def test_the_activation_comes_after_it():
    x = RNG.normal(1.0, 2.0, size=(3, 4, 8)).astype("float32")
    plain, activated = GroupNormalization(2), GroupNormalization(2, activation="silu")
    np.testing.assert_allclose(
        ops.convert_to_numpy(activated(x)), ops.convert_to_numpy(ops.silu(plain(x))), atol=1e-6
    )
    assert GroupNormalization.from_config(activated.get_config()).activation is activated.activation


def test_channels_must_divide_into_the_groups():
    with pytest.raises(ValueError, match="6 channels"):
        GroupNormalization(4).build((None, 2, 2, 6))


def test_the_gradient_of_a_gradient_penalty():
    layer = GroupNormalization(1)
    layer.build((None, 6))
    x = RNG.normal(size=(2, 6)).astype("float32")
    scale = keras.Variable(np.ones(6, "float32"))
    weights = RNG.normal(size=(6,)).astype("float32")
    state = [scale, layer.gamma, layer.beta]

    def penalty():
        def critic(inputs):
            return ops.sum(ops.tanh(layer(inputs * scale)) * weights, axis=-1)

        slopes = backend.gradient(critic, ops.convert_to_tensor(x), state)
        return ops.sum(ops.square(slopes))

    _, (actual,) = backend.value_and_grad(penalty, [scale], state)
    expected = []
    for index in range(6):
        values = []
        for step in (1e-2, -1e-2):
            moved = np.ones(6, "float32")
            moved[index] += step
            scale.assign(moved)
            values.append(float(penalty()))
        scale.assign(np.ones(6, "float32"))
        expected.append((values[0] - values[1]) / 2e-2)
    np.testing.assert_allclose(ops.convert_to_numpy(actual), expected, rtol=2e-2, atol=2e-2)
