"""`StopOnNaN`: what diverged is no model, what climbs for a while is left alone."""

import shutil

import keras
import numpy as np
import pytest

from gm_keras.callbacks import NotFiniteError, StopOnNaN

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


class Weights:
    """What the callback needs of a model."""

    def __init__(self):
        self.weight = keras.Variable(np.ones((2, 3), "float32"), name="kernel")
        self.average = keras.Variable(np.ones(3, "float32"), trainable=False, name="average")
        self.counter = keras.Variable(0, dtype="int32", trainable=False)
        self.variables = [self.weight, self.average, self.counter]

    def sync_state(self):
        pass

    def save_weights(self, path):
        path.write_text(str(float(self.weight.value[0, 0])))


@pytest.fixture
def guard(tmp_path):
    callback = StopOnNaN(tmp_path / "good.weights.h5", "do something")
    callback.set_model(Weights())
    return callback


def run(guard, *values, name="loss", first=0):
    for epoch, value in enumerate(values, start=first):
        guard.on_epoch_end(epoch, {name: value})


@pytest.mark.parametrize(
    "values",
    [
        (-1e-4, 5.0, -300.0, 4e4),  # critics begin near zero
        (0.0, 1e3, 0.0),
        (3e4, 1e9, 2e4),  # bits of large pictures, and a leap that was come back from
        (-10.0, -500.0, -2000.0),  # densities have no upper end
        (1e11, 1e9, 1e7),  # features that are not scaled
    ],
)
def test_healthy_curves_pass(guard, values):
    run(guard, *values)
    guard.on_train_end()
    assert not guard.path.exists()


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((0.7, 3e17), "loss"),
        ((0.7, -3e17), "loss"),
        ((-1e-4, 2e6), "critic_loss"),
        ((2e13,), "loss"),
        ((0.7, float("nan")), "loss"),
        ((0.7, float("-inf")), "loss"),
        ((0.7, float("nan")), "val_loss"),
    ],
)
def test_curves_without_a_way_back(guard, values, name):
    *good, last = values
    run(guard, *good, name=name)
    with pytest.raises(NotFiniteError) as caught:
        run(guard, last, name=name, first=len(good))
    message = str(caught.value)
    assert name in message
    assert f"in epoch {len(values)}: do something" in message
    assert "\n" not in message
    assert guard.path.exists() == bool(good)


def test_a_leap_of_validation_curves_is_none_of_training(guard):
    run(guard, 1.0, 1e9, 1.0, name="val_loss")


def test_each_stage_has_its_own_start_and_a_resumed_one_that_of_its_history(guard):
    run(guard, 1.0)
    guard.begin()
    run(guard, 1e6, 1e11, first=1)
    guard.begin([{"loss": 1.0}, {"loss": 1e5}])
    with pytest.raises(NotFiniteError, match="in epoch 4"):
        run(guard, 1e7, first=3)


@pytest.mark.parametrize(
    ("which", "value", "refused"),
    [
        ("weight", np.nan, True),
        ("weight", np.inf, True),
        ("weight", 1e20, True),
        ("weight", 1e5, False),
        ("average", np.nan, True),
        ("average", 1e20, False),  # a running variance of features that are not scaled
    ],
)
def test_weights_count_though_no_loss_depends_on_them(guard, which, value, refused):
    variable = getattr(guard.model, which)
    run(guard, 1.0)
    values = np.ones(variable.shape, "float32")
    values[-1] = value
    variable.assign(values)
    if not refused:
        run(guard, 1.0, first=1)
        guard.on_train_end()
        return
    with pytest.raises(
        NotFiniteError, match=f"{variable.path}.*in epoch 2.*the weights of epoch 1"
    ):
        run(guard, 1.0, first=1)
    with pytest.raises(NotFiniteError, match="at the end: do something; the weights of the last"):
        guard.on_train_end()
    assert guard.path.read_text() == "1.0"


def test_a_full_disk_does_not_end_the_training(guard, tmp_path, monkeypatch, capsys):
    run(guard, 1.0)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    run(guard, 0.5, first=1)
    told = capsys.readouterr().err
    assert "the weights of epoch 2 are not kept" in told
    assert "No space left" in told
    assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["good.weights.h5"]
