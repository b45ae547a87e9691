"""The training step on toy models: phases, repeats, optimizers, saving, and what it refuses."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.core import GenerativeModel, OptimizerGroup, Phase
from tests.systems import arrays, state

pytestmark = pytest.mark.backend


@keras.saving.register_keras_serializable("gm_keras_tests")
class Means(GenerativeModel):
    """Two scalars: `fast` follows the mean of its data in `repeats` steps, `lazy` in every `every`-th from step `since` on."""

    def __init__(self, image_shape=(1,), repeats=1, every=1, since=None, name=None):
        super().__init__(name=name)
        self.fast = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        self.lazy = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        for layer in (self.fast, self.lazy):
            layer.build((None, 1))
        self.repeats, self.every, self.since = repeats, every, since
        self.setup()

    def phases(self):
        return [
            Phase("fast", self._fast_loss, (self.fast,), "fast", repeats=self.repeats),
            Phase(
                "lazy",
                self._lazy_loss,
                (self.lazy,),
                "lazy",
                every=self.every,
                when=None if self.since is None else lambda: self.step >= self.since,
            ),
        ]

    def _fast_loss(self, batch, training):
        return ops.mean(ops.square(self.fast(ops.ones((1, 1))) - ops.mean(batch["features"]))) / 2

    def _lazy_loss(self, batch, training):
        # Depends on both networks: only one may move.
        both = self.lazy(ops.ones((1, 1))) + self.fast(ops.ones((1, 1)))
        return ops.mean(both)


@keras.saving.register_keras_serializable("gm_keras_tests")
class Noisy(GenerativeModel):
    """Batch normalization, dropout, noise and two optimizers: all the state that a resumed run needs."""

    def __init__(self, image_shape=(3,), num_classes=None, name=None):
        super().__init__(name=name)
        inputs = keras.Input(tuple(image_shape))
        hidden = keras.layers.Dense(4)(inputs)
        hidden = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(hidden))
        self.body = keras.Model(inputs, hidden)
        self.head = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        self.num_classes = num_classes
        self.setup(logs=("noise",))

    def phases(self):
        return [
            Phase("body", self._loss, (self.body,), "body", repeats=2),
            Phase("head", self._loss, (self.head,), "head"),
        ]

    def _loss(self, batch, training):
        noise = keras.random.normal(ops.shape(batch["features"]), seed=self.seed_generator)
        self.log("noise", ops.mean(noise))
        hidden = self.body(batch["features"] + noise, training=training)
        return ops.mean(ops.square(self.head(hidden) - 1.0))


def means(**arguments) -> Means:
    """A `Means` with plain gradient descent: fast at half the way a step, lazy at one."""
    model = Means(**arguments)
    model.compile(
        {"fast": keras.optimizers.SGD(0.5), "lazy": keras.optimizers.SGD(1.0)},
        fresh_batches=arguments.get("repeats", 1) > 1,
    )
    return model


def noisy(**arguments) -> Noisy:
    keras.utils.set_random_seed(11)
    model = Noisy(**arguments)
    model.compile({"body": keras.optimizers.Adam(0.01), "head": keras.optimizers.RMSprop(0.01)})
    return model


def features(*values) -> np.ndarray:
    return np.array(values, "float32").reshape(-1, 1)


def points(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(8, 3)).astype("float32")


def value(layer) -> float:
    return float(ops.convert_to_numpy(layer.kernel)[0, 0])


def test_a_phase_moves_its_own_networks_only():
    model = means()
    logs = model.train_on_batch(features(4.0, 4.0), return_dict=True)
    # fast: half the way to 4. lazy: its own slope is 1, and fast, in its loss too, stays.
    assert value(model.fast) == pytest.approx(2.0)
    assert value(model.lazy) == pytest.approx(-1.0)
    assert float(logs["fast_loss"]) == pytest.approx(8.0)
    assert float(logs["lazy_loss"]) == pytest.approx(2.0), "phases follow each other in a step"


def test_repeats_without_fresh_batches_see_the_whole_batch_each_time():
    model = means(repeats=2)
    model.compile({"fast": keras.optimizers.SGD(0.5), "lazy": keras.optimizers.SGD(1.0)})
    model.train_on_batch(features(2.0, 6.0))
    assert value(model.fast) == pytest.approx(3.0), "0 -> 2 -> 3, towards 4"


def test_fresh_batches_give_each_repeat_its_own_part():
    model = means(repeats=3)
    model.train_on_batch(features(8.0, 8.0, 2.0, 2.0, 0.0, 2.0))
    assert value(model.fast) == pytest.approx(2.0), "0 -> 4 (of 8), -> 3 (of 2), -> 2 (of 1)"


def test_a_lazy_phase_runs_every_kth_step_with_k_times_the_loss():
    model = means(every=3)
    seen = []
    for _ in range(7):
        logs = model.train_on_batch(features(0.0), return_dict=True)
        seen.append(value(model.lazy))
    np.testing.assert_allclose(seen, [-3, -3, -3, -6, -6, -6, -9])
    assert float(logs["lazy_loss"]) == pytest.approx(-6.0), "the curve has the loss as it is"


@pytest.mark.parametrize(("every", "steps"), [(1, 3), (2, 2)])
def test_a_phase_runs_when_it_says_so(every, steps):
    """Of steps 0 to 4 those from 2 on: 2, 3 and 4, or 2 and 4."""
    model = means(every=every, since=2)
    model.fit(np.ones((40, 1), "float32"), batch_size=8, verbose=0)
    assert int(ops.convert_to_numpy(model.optimizer["lazy"].iterations)) == steps
    assert int(ops.convert_to_numpy(model.optimizer["fast"].iterations)) == 5


def test_every_and_repeats_are_at_least_one():
    with pytest.raises(ValueError, match="at least 1"):
        Phase("x", lambda *_: 0.0, (), repeats=0)


def test_fit_counts_steps_and_keeps_the_curves():
    model = noisy()
    history = model.fit(np.concatenate([points(0), points(1)]), batch_size=4, epochs=2, verbose=0)
    assert int(ops.convert_to_numpy(model.step)) == 8
    assert set(history.history) == {"loss", "body_loss", "head_loss", "noise"}
    assert len(history.history["noise"]) == 2


def test_resuming_equals_never_stopping(tmp_path):
    """Weights, moving averages, optimizer slots, the step, noise and dropout: all to the last bit."""
    straight = noisy()
    for seed in range(6):
        straight.train_on_batch(points(seed))
    stopped = noisy()
    for seed in range(3):
        stopped.train_on_batch(points(seed))
    stopped.save(tmp_path / "model.keras")
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    for seed in range(3, 6):
        resumed.train_on_batch(points(seed))
    expected, actual = state(straight), state(resumed)
    assert len(expected) == len(actual) > 20
    for (key, one), other in zip(expected.items(), actual.values(), strict=True):
        np.testing.assert_array_equal(one, other, key)


def test_the_group_saves_and_restores_its_optimizers(tmp_path):
    model = noisy()
    model.train_on_batch(points(0))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert isinstance(loaded, OptimizerGroup)
    assert isinstance(loaded["body"], keras.optimizers.Adam)
    assert isinstance(loaded["head"], keras.optimizers.RMSprop)
    expected, actual = arrays(model.optimizer.variables), arrays(loaded.variables)
    for one, other in zip(expected.values(), actual.values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(np.abs(each).max() > 0 for each in actual.values() if each.ndim > 1)
    with pytest.raises(AttributeError, match="several optimizers"):
        _ = loaded.learning_rate


def test_averages_hold_within_their_context_only():
    model = means()
    averaged = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.75)
    model.compile({"fast": averaged, "lazy": keras.optimizers.SGD(1.0)})
    model.train_on_batch(features(4.0))
    model.train_on_batch(features(4.0))
    # Weights 2 and 3; Keras starts the average with the first: 2, then 3/4 2 + 1/4 3.
    assert value(model.fast) == pytest.approx(3.0)
    with model.optimizer.averaged():
        assert value(model.fast) == pytest.approx(2.25)
        assert value(model.lazy) == pytest.approx(-2.0)
    assert value(model.fast) == pytest.approx(3.0)
    with pytest.raises(RuntimeError, match="inside"), model.optimizer.averaged():
        raise RuntimeError("inside")
    assert value(model.fast) == pytest.approx(3.0)
    model.train_on_batch(features(4.0))
    assert value(model.fast) == pytest.approx(3.5)


def test_fit_ends_with_the_averages_and_can_go_on():
    model = means()
    averaged = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.75)
    model.compile({"fast": averaged, "lazy": keras.optimizers.SGD(1.0)})
    model.fit(features(4.0, 4.0), batch_size=1, verbose=0)
    assert value(model.fast) == pytest.approx(2.25)
    model.fit(features(4.0), batch_size=1, verbose=0)
    assert np.isfinite(value(model.fast))
    assert len(model.optimizer.averages()) == 1


def test_optimizer_names_must_be_those_of_the_phases():
    model = Means()
    with pytest.raises(ValueError, match=r"expected optimizers named \['fast', 'lazy'\]"):
        model.compile({"fast": keras.optimizers.SGD(), "slow": keras.optimizers.SGD()})
    with pytest.raises(ValueError, match="several optimizers"):
        model.compile(keras.optimizers.SGD())


def test_an_unknown_constructor_key_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match=r'"repeat".*image_shape, repeats, every'):
        Means(repeat=2)


def test_the_data_must_fit():
    model = noisy()
    with pytest.raises(ValueError, match=r"examples of shape \(3,\), got \(2,\)"):
        model.train_on_batch(np.zeros((4, 2), "float32"))
    with pytest.raises(ValueError, match=r"field \"features\".*image"):
        model.train_on_batch({"image": np.zeros((4, 3), "float32")})
    with pytest.raises(ValueError, match="sample weights"):
        model.train_on_batch(points(0), sample_weight=np.ones(8, "float32"))


def test_a_model_with_classes_needs_labels():
    model = noisy(num_classes=3)
    with pytest.raises(ValueError, match=r"needs labels: fit\(x, labels\)"):
        model.train_on_batch(points(0))
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    assert np.isfinite(model.train_on_batch(points(0), labels)).all()


class Untracked(Means):
    """Changes a variable in its step that it hides from Keras."""

    def __init__(self, image_shape=(1,), name=None):
        super().__init__(image_shape, name=name)
        hidden = keras.Variable(0.0, trainable=False)
        self._hidden = lambda: hidden

    def _fast_loss(self, batch, training):
        self._hidden().assign(self._hidden() + 1.0)
        return super()._fast_loss(batch, training)


@pytest.mark.skipif(backend.name != "jax", reason="other backends assign in place")
def test_an_untracked_variable_is_an_error_and_not_silently_frozen():
    model = Untracked()
    model.compile({"fast": keras.optimizers.SGD(), "lazy": keras.optimizers.SGD()})
    with pytest.raises(RuntimeError, match="does not track"):
        model.train_on_batch(features(1.0))


def test_a_phase_with_a_network_that_is_no_attribute_is_refused():
    class Lost(GenerativeModel):
        def __init__(self, image_shape=(1,), name=None):
            super().__init__(name=name)
            network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            self._network = lambda: network
            self.setup()

        def phases(self):
            return [Phase("only", lambda *_: 0.0, (self._network(),))]

    with pytest.raises(ValueError, match="make its network an attribute of the model"):
        Lost()
