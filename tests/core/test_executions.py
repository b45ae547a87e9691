"""Several steps in one call: the same training, its curves, its checkpoints."""

import keras
import numpy as np
import pytest

from gm_keras import backend
from gm_keras.callbacks import Checkpoints, Stopped
from tests import systems

pytestmark = pytest.mark.backend

STEPS = 7


class Data(keras.utils.PyDataset):
    """Always the same batches in the same order, from one of them on."""

    def __init__(self, model, first=0):
        super().__init__()
        self.model, self.first = model, first

    def __len__(self):
        return STEPS - self.first

    def __getitem__(self, index):
        return systems.batch(self.model, seed=self.first + index)


def trained(name, at_once, callbacks=(), first=0, model=None):
    if model is None:
        model = new(name, at_once)
    fitted = model.fit(
        Data(model, first), epochs=1, verbose=0, shuffle=False, callbacks=list(callbacks)
    )
    return model, fitted.history


def new(name, at_once):
    keras.utils.clear_session(free_memory=False)
    backend.set_seed(3)
    model = systems.build(name)
    model.optimizer.finalizes = False
    optimizer, fresh = model.optimizer, model.fresh_batches
    model.compile(optimizer, fresh_batches=fresh, steps_per_execution=at_once)
    return model


@pytest.mark.parametrize("name", ["wgan_gp", "rbm"])
def test_steps_at_once_are_the_steps_one_by_one(name):
    one, one_history = trained(name, 1)
    many, many_history = trained(name, 3)
    assert int(many.step.numpy()) == int(one.step.numpy()) == STEPS
    for key, value in one_history.items():
        np.testing.assert_allclose(many_history[key], value, rtol=2e-4, atol=1e-5, err_msg=key)
    for ours, theirs in zip(many.variables, one.variables, strict=True):
        np.testing.assert_allclose(
            ours.numpy(), theirs.numpy(), rtol=2e-3, atol=2e-4, err_msg=ours.path
        )


def test_going_on_from_within_is_exact(tmp_path):
    whole, history = trained("wgan_gp", 3, [Checkpoints(tmp_path / "whole", steps=1)])
    checkpoints = Checkpoints(tmp_path / "part", steps=100)
    begun = new("wgan_gp", 3)
    stop = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs=None: (
            batch >= 3 and setattr(checkpoints, "stop_asked", True)
        )
    )
    with pytest.raises(Stopped, match="3 batches"):
        trained("wgan_gp", 3, [stop, checkpoints], model=begun)
    resumed = new("wgan_gp", 3)
    checkpoints = Checkpoints(tmp_path / "part", steps=100)
    position = checkpoints.restore(resumed)
    assert (position.epoch, position.batch) == (0, 3)
    _, rest = trained("wgan_gp", 3, [checkpoints], first=3, model=resumed)
    assert rest == history
    for ours, theirs in zip(resumed.variables, whole.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), ours.path)


def test_checkpoints_count_steps_and_not_calls(tmp_path):
    written = []
    checkpoints = Checkpoints(tmp_path, steps=4)
    original = checkpoints.write
    checkpoints.write = lambda position: (
        written.append((position.epoch, position.batch)) or original(position)
    )
    trained("vae", 2, [checkpoints])
    assert written == [(0, 4)]


def test_a_smaller_last_batch():
    one, many = new("vae", 1), new("vae", 3)
    x = np.concatenate([systems.batch(one, seed=index)["image"] for index in range(4)])
    x, size = x[:-1], len(x) // 4
    label = np.zeros(len(x), "int32")
    histories = [
        each.fit(x, label, batch_size=size, epochs=1, shuffle=False, verbose=0).history
        for each in (one, many)
    ]
    assert int(many.step.numpy()) == int(one.step.numpy()) == 4
    for key, value in histories[0].items():
        np.testing.assert_allclose(histories[1][key], value, rtol=2e-4, err_msg=key)
