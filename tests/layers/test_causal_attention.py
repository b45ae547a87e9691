"""Causal attention by the kernel of a device is the attention written out."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.causal_attention import CausalSelfAttention
from tests.systems import at_once

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)


def values_and_gradients(layer, inputs):
    weights = layer.trainable_variables

    def loss():
        outputs = layer(inputs, training=True)
        return ops.sum(ops.square(outputs)) + ops.sum(outputs)

    def all_of_it():
        total, gradients = backend.value_and_grad(loss, weights, layer.variables)
        return [layer(inputs), total, *gradients]

    return [ops.convert_to_numpy(each) for each in at_once(all_of_it, layer.variables)()]


@pytest.mark.parametrize("length", [1, 7, 16])
def test_on_a_device_with_a_kernel_of_its_own(monkeypatch, length):
    layer = CausalSelfAttention(4, kernel_stddev=0.5, output_stddev=0.5)
    inputs = RNG.normal(size=(3, length, 32)).astype("float32")
    layer.build(inputs.shape)
    written_out = values_and_gradients(layer, inputs)
    calls = []
    monkeypatch.setattr(backend, "on_accelerator", lambda: calls.append(1) or True)
    for ours, expected in zip(values_and_gradients(layer, inputs), written_out, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())
    assert calls


def test_dropout_is_the_same_on_every_device(monkeypatch):
    inputs = RNG.normal(size=(3, 8, 32)).astype("float32")

    def outputs():
        keras.utils.set_random_seed(0)
        layer = CausalSelfAttention(4, dropout=0.5, seed=1)
        return ops.convert_to_numpy(layer(inputs, training=True))

    written_out = outputs()
    monkeypatch.setattr(backend, "on_accelerator", lambda: True)
    np.testing.assert_array_equal(outputs(), written_out)
