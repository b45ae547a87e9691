"""Normalization: values and gradients against Keras' layer, second derivatives against finite differences."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.normalization import GroupNormalization, LayerNormalization

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


@pytest.mark.parametrize("shape", [(3, 8), (3, 5, 40)])
def test_layer_normalization_is_that_of_keras(shape):
    x = RNG.normal(1.0, 2.0, size=shape).astype("float32")
    weights = [RNG.normal(size=shape[-1:]).astype("float32") for _ in range(2)]

    def values_and_gradients(layer):
        layer.build(shape)
        layer.set_weights(weights)

        def loss():
            return ops.sum(ops.sin(layer(x)))

        inputs = backend.gradient(lambda x: ops.sin(layer(x)), ops.convert_to_tensor(x), [])
        _, gradients = backend.value_and_grad(loss, layer.trainable_variables, layer.variables)
        found = (layer(x), ops.stop_gradient(inputs), *gradients)
        return [ops.convert_to_numpy(each) for each in found]

    ours, theirs = LayerNormalization(), keras.layers.LayerNormalization(epsilon=1e-5)
    both = zip(values_and_gradients(ours), values_and_gradients(theirs), strict=True)
    for found, expected in both:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_gradient_of_a_gradient_of_layer_normalization():
    layer = LayerNormalization()
    x = RNG.normal(size=(4, 6)).astype("float32")
    layer.build(x.shape)

    def penalty():
        gradient = backend.gradient(
            lambda x: ops.sin(layer(x)), ops.convert_to_tensor(x), layer.variables
        )
        return ops.sum(ops.square(gradient))

    _, (found, _) = backend.value_and_grad(penalty, layer.trainable_variables, layer.variables)
    found, start = ops.convert_to_numpy(found), ops.convert_to_numpy(layer.gamma)
    for index in range(6):
        step, ends = 1e-2 * np.eye(6, dtype="float32")[index], []
        for sign in (1.0, -1.0):
            layer.gamma.assign(start + sign * step)
            ends.append(float(ops.convert_to_numpy(penalty())))
        layer.gamma.assign(start)
        assert found[index] == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=2e-2, abs=2e-3)


@pytest.mark.parametrize("option", [{"axis": 1}, {"scale": False}, {"center": False}])
def test_layer_normalization_refuses_what_it_does_not_do(option):
    with pytest.raises(ValueError, match="last axis"):
        LayerNormalization(**option)
    layer = LayerNormalization(epsilon=1e-3)
    layer.build((2, 4))
    assert LayerNormalization.from_config(layer.get_config()).epsilon == 1e-3
