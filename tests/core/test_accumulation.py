"""Gradients that are collected over several steps, for batches beyond the memory."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.core import GenerativeModel, Phase

pytestmark = pytest.mark.backend

DATA = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")


class Line(GenerativeModel):
    """Two linear networks, each with an optimizer of its own."""

    def __init__(self, image_shape=(3,), name=None):
        super().__init__(name=name)
        self.first, self.second = (self._network(key) for key in ("first", "second"))
        self.setup()

    @staticmethod
    def _network(name):
        dense = keras.layers.Dense(1, kernel_initializer="ones")
        return keras.Sequential([keras.Input((3,)), dense], name=name)

    def phases(self):
        return [
            Phase(
                each.name, lambda batch, _, each=each: self._loss(each, batch), (each,), each.name
            )
            for each in (self.first, self.second)
        ]

    def _loss(self, network, batch):
        return ops.mean(ops.square(network(batch["features"]) - 1.0))


def trained(batch_size: int, steps: int | None, epochs: int = 2) -> list[list[np.ndarray]]:
    model = Line()
    options = {"learning_rate": 0.05, "gradient_accumulation_steps": steps}
    model.compile({"first": keras.optimizers.Adam(**options), "second": keras.optimizers.SGD(0.01)})
    model.fit(DATA, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)
    return [network.get_weights() for network in (model.first, model.second)]


def test_two_steps_of_half_a_batch_are_one_update_of_the_whole():
    (whole, _), (halves, others) = trained(8, None), trained(4, 2)
    for one, other in zip(whole, halves, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert not np.array_equal(others[0], np.ones((3, 1))), "the other optimizer does not wait"
    np.testing.assert_array_equal(trained(4, 4, epochs=1)[0][0], np.ones((3, 1)))
