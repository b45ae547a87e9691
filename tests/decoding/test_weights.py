"""Weights that are cast before a loop are those that layers cast in each call."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.decoding.weights import weights_cast_once
from gm_keras.models.sequence.gpt2 import GPT2

pytestmark = pytest.mark.backend


@pytest.fixture
def mixed():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def dtype_of(tensor) -> str:
    return keras.backend.standardize_dtype(tensor.dtype)


def make():
    keras.utils.set_random_seed(0)
    return GPT2("abcde", context=12, layers=2, width=16, heads=2)


@pytest.mark.usefixtures("mixed")
def test_layers_find_what_they_would_have_cast():
    model = make()
    network, tokens = model.transformer, np.arange(24).reshape(2, 12) % 5
    inside = []

    def run(tokens):
        plain = network(tokens)
        with weights_cast_once(network):
            inside.append([(len(v.shape), dtype_of(v.value)) for v in network.trainable_variables])
            return plain, network(tokens)

    plain, cast = backend.compile_function(run, model.variables)(tokens.astype("int32"))
    assert dtype_of(plain) == "bfloat16"
    plain, cast = (ops.convert_to_numpy(ops.cast(each, "float32")) for each in (plain, cast))
    np.testing.assert_array_equal(plain, cast)
    for found in inside:
        assert set(found) == {(1, "float32"), (2, "bfloat16")}


@pytest.mark.usefixtures("mixed")
def test_samples_under_a_mixed_policy_are_those_without_the_cast(monkeypatch):
    model = make()
    cast = model.sample(4, seed=1, length=40)
    monkeypatch.setattr(
        "gm_keras.models.sequence.gpt2.weights_cast_once", lambda network: keras.StatelessScope()
    )
    plain = make()
    np.testing.assert_array_equal(cast, plain.sample(4, seed=1, length=40))


def test_where_nothing_is_mixed_nothing_changes():
    network = make().transformer
    with weights_cast_once(network):
        assert {dtype_of(v.value) for v in network.trainable_variables} == {"float32"}
