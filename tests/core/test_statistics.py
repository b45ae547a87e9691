"""`unchanged`: another network is used as in training, and its state stays."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.core import GenerativeModel, Phase
from gm_keras.core.statistics import unchanged
from tests.systems import arrays

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

DATA = np.random.default_rng(0).normal(3.0, 2.0, size=(16, 2)).astype("float32")


def normalization(name: str) -> keras.Model:
    layer = keras.layers.BatchNormalization(momentum=0.5)
    return keras.Sequential([keras.Input((2,)), layer], name=name)


class Two(GenerativeModel):
    """A phase that uses the other network too."""

    def __init__(self, image_shape=(2,), name=None):
        super().__init__(name=name)
        self.own, self.other = normalization("own"), normalization("other")
        self.setup(logs=("other_mean",))

    def phases(self):
        return [
            Phase("own", self._loss, (self.own,)),
            Phase("other", lambda *_: ops.sum(self.other.weights[0]), (self.other,)),
        ]

    def _loss(self, batch, training):
        with unchanged(self.other):
            hidden = self.other(batch["features"], training=training)
        self.log("other_mean", ops.mean(ops.abs(ops.mean(hidden, axis=0))))
        return ops.mean(self.own(hidden + batch["features"], training=training) ** 3)


def test_outside_a_compiled_step():
    network = normalization("network")
    before = arrays(network.weights)
    with unchanged(network):
        outputs = ops.convert_to_numpy(network(DATA, training=True))
    np.testing.assert_allclose(outputs.mean(axis=0), 0.0, atol=1e-5)
    for key, value in arrays(network.weights).items():
        np.testing.assert_array_equal(value, before[key])


def test_in_a_compiled_step():
    model = Two()
    model.compile(keras.optimizers.SGD(0.0))
    before = arrays(model.other.weights)
    own_before = arrays(model.own.non_trainable_weights)
    logs = model.train_on_batch(DATA, return_dict=True)
    assert float(logs["other_mean"]) < 1e-5, "normalized by the statistics of the batch"
    for key, value in arrays(model.other.weights).items():
        np.testing.assert_array_equal(value, before[key], key)
    for key, value in arrays(model.own.non_trainable_weights).items():
        assert not np.array_equal(value, own_before[key]), key
