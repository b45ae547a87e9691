"""`unchanged`: another network is used as in training, and its state stays. Averages take statistics beside weights."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.core import GenerativeModel, Phase
from gm_keras.core.statistics import statistics, unchanged
from gm_keras.layers.conditional_normalization import ConditionalBatchNormalization
from gm_keras.layers.running_normalization import RunningNormalization
from gm_keras.layers.spectral_normalization import SpectralNormalization
from gm_keras.layers.vector_quantizer import VectorQuantizer
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


class Normalized(GenerativeModel):
    """A network that normalizes, and one value that it learns."""

    def __init__(self, image_shape=(2,), name=None):
        super().__init__(name=name)
        self.network = normalization("network")
        self.setup()

    def phases(self):
        return [Phase("main", self._loss, (self.network,))]

    def _loss(self, batch, training):
        return ops.mean(self.network(batch["features"], training=training) ** 3)


@pytest.mark.once("jax")
def test_averages_of_statistics_in_a_step_that_jax_compiles():
    test_a_moving_average_takes_the_statistics_beside_the_weights()


def test_a_moving_average_takes_the_statistics_beside_the_weights():
    model = Normalized()
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75))
    layer = model.network.layers[-1]
    seen = []
    for step in range(3):
        model.train_on_batch(DATA[4 * step : 4 * step + 4])
        seen.append([ops.convert_to_numpy(each).copy() for each in layer.weights])
    expected = seen[0]
    for values in seen[1:]:
        expected = [0.75 * mean + 0.25 * each for mean, each in zip(expected, values, strict=True)]
    with model.optimizer.averaged():
        for variable, value in zip(layer.weights, expected, strict=True):
            np.testing.assert_allclose(ops.convert_to_numpy(variable), value, rtol=1e-5)
    for variable, value in zip(layer.weights, seen[-1], strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)
    assert not np.allclose(expected[2], seen[-1][2], rtol=0.01), "the mean moved"


def test_averages_of_statistics_are_saved_and_stand_at_the_end(tmp_path):
    model = Normalized()
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75))
    for step in range(3):
        model.train_on_batch(DATA[4 * step : 4 * step + 4])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(
        tmp_path / "model.keras", custom_objects={"Normalized": Normalized}
    )
    expected = [ops.convert_to_numpy(average) for _, average in model.optimizer.averages()]
    assert len(expected) == 4, "scale, shift, mean and variance"
    for each in (model, loaded):
        each.optimizer.finalize_variable_values(None)
        for (variable, _), value in zip(each.optimizer.averages(), expected, strict=True):
            np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)


def test_before_the_first_update_the_averages_are_the_weights():
    model = Normalized()
    model.compile(keras.optimizers.SGD(0.1, use_ema=True))
    before = arrays(model.weights)
    with model.optimizer.averaged():
        for key, value in arrays(model.weights).items():
            np.testing.assert_array_equal(value, before[key], key)


def test_where_averages_overwrite_weights_they_overwrite_statistics():
    model = Normalized()
    averaged = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=2)
    model.compile(averaged)
    for step in range(2):
        model.train_on_batch(DATA[4 * step : 4 * step + 4])
    for variable, average in model.optimizer.averages():
        np.testing.assert_array_equal(
            ops.convert_to_numpy(variable), ops.convert_to_numpy(average), variable.path
        )


def test_what_counts_as_statistics():
    """Moments and codebooks that follow; not the vector of a power iteration, which the next use corrects."""
    own, conditional = RunningNormalization(), ConditionalBatchNormalization(spectral=True)
    codebook = VectorQuantizer(3, 2)
    own.build((None, 4, 4, 2))
    conditional.build(((None, 4, 4, 2), (None, 3)))
    codebook.build((None, 2))
    moments = [own.mean, own.variance, *conditional.normalization.non_trainable_weights]
    expected = [*moments, codebook.codebook, codebook.counts, codebook.sums]
    found = statistics([own, conditional, codebook, own])
    assert {id(each) for each in found} == {id(each) for each in expected}
    assert len(found) == 7
    assert isinstance(conditional.scale, SpectralNormalization)
