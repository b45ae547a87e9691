"""The embedding of tokens that gives logits too."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.embedding import TiedEmbedding

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)


def logits_and_gradients(layer, inputs):
    def loss():
        return ops.sum(ops.square(layer(inputs, reverse=True)))

    _, gradients = backend.value_and_grad(loss, layer.trainable_variables, layer.variables)
    return [ops.convert_to_numpy(each) for each in (layer(inputs, reverse=True), *gradients)]


@pytest.mark.parametrize("on_accelerator", [False, True])
@pytest.mark.parametrize("tokens", [8, 13])
@pytest.mark.parametrize("length", [1, 4])
def test_logits_are_those_of_keras(monkeypatch, on_accelerator, tokens, length):
    monkeypatch.setattr(backend, "on_accelerator", lambda: on_accelerator)
    inputs = RNG.normal(size=(2, length, 6)).astype("float32")
    ours, theirs = TiedEmbedding(tokens, 6), keras.layers.ReversibleEmbedding(tokens, 6)
    for layer in (ours, theirs):
        layer.build((2, length))
        layer.embeddings.assign(np.arange(6.0 * tokens).reshape(tokens, 6) / tokens)
    found = (logits_and_gradients(layer, inputs) for layer in (ours, theirs))
    for got, expected in zip(*found, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_logits_have_the_dtype_of_the_policy():
    layer = TiedEmbedding(13, 6, dtype="mixed_bfloat16")
    layer.build((2, 4))
    logits = layer(ops.ones((2, 4, 6), "bfloat16"), reverse=True)
    assert logits.shape == (2, 4, 13)
    assert keras.backend.standardize_dtype(logits.dtype) == "bfloat16"
