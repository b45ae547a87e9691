"""Checkpoints: whole or passed over, few, and never the end of a training."""

import errno
import json
import random
import subprocess
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from gm_keras import backend
from gm_keras.callbacks import Checkpoints, Position, Stopped
from gm_keras.data import Batches
from tests.projects import datasets
from tests.systems import BATCH, build, state

pytestmark = pytest.mark.backend
#: What becomes of files is of no backend.
once = pytest.mark.once("jax")

EPOCHS, STEPS = 3, 4


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Prepared images for `STEPS` steps an epoch."""
    rng, size = np.random.default_rng(0), BATCH * STEPS
    arrays = {
        "image": rng.integers(0, 17, (size, 8, 8, 1)).astype("uint8"),
        "label": rng.integers(0, 10, size).astype("int32"),
    }
    folder = tmp_path_factory.mktemp("data") / "few"
    return datasets.write(folder, arrays, {"train": size}, levels=17, num_classes=10)


def new(name):
    # As in a new process: TensorFlow adds up in the order of the layers' names.
    keras.utils.clear_session(free_memory=False)
    backend.set_seed(7)
    model = build(name)
    model.optimizer.finalizes = False
    return model


def fit(model, checkpoints, data, first, last, skipped=0):
    batches = Batches(data, "train", BATCH, initial_epoch=first, first_batch=skipped)
    model.fit(batches, initial_epoch=first, epochs=last, verbose=0, callbacks=[checkpoints])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, data):
    model = new("dcgan")
    checkpoints = Checkpoints(tmp_path_factory.mktemp("whole"))
    fit(model, checkpoints, data, 0, EPOCHS)
    return state(model), checkpoints.history


# Where a training goes on is arithmetic of no backend.
@pytest.mark.parametrize("steps", [2, 4, 5] if backend.name == "jax" else [2])
def test_going_on_equals_never_stopping(tmp_path, data, uninterrupted, steps):
    expected, history = uninterrupted
    model = new("dcgan")
    first = Checkpoints(tmp_path, steps=steps)
    first.on_epoch_end = _breaking_off(first)
    with pytest.raises(RuntimeError, match="the machine is gone"):
        fit(model, first, data, 0, EPOCHS)
    model = new("dcgan")
    checkpoints = Checkpoints(tmp_path, steps=steps)
    position = checkpoints.restore(model)
    assert (position.epoch, position.batch) == {2: (1, 2), 4: (1, 0), 5: (1, 1)}[steps]
    if position.batch:
        fit(model, checkpoints, data, position.epoch, position.epoch + 1, position.batch)
        fit(model, checkpoints, data, position.epoch + 1, EPOCHS)
    else:
        fit(model, checkpoints, data, position.epoch, EPOCHS)
    assert checkpoints.history == history
    for (key, value), other in zip(expected.items(), state(model).values(), strict=True):
        np.testing.assert_array_equal(other, value, key)


def _breaking_off(checkpoints):
    """The machine goes at the end of the second epoch, before that is noted."""
    original = checkpoints.on_epoch_end

    def on_epoch_end(epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("the machine is gone")
        original(epoch, logs)

    return on_epoch_end


@pytest.fixture
def written(tmp_path, data):
    """A model whose training wrote a checkpoint every second step, and what it told."""
    model, told = new("vae"), []
    checkpoints = Checkpoints(tmp_path, steps=2, tell=told.append)
    fit(model, checkpoints, data, 0, EPOCHS)
    return model, checkpoints, told


@once
@pytest.mark.usefixtures("written")
def test_the_newest_two_are_kept(tmp_path):
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint_00000002_00000002.npz", "checkpoint_00000003_00000000.npz"]


@once
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_checkpoint_cut_off_is_passed_over_for_the_one_before(written, tmp_path, share):
    _, checkpoints, told = written
    newest = sorted(tmp_path.iterdir())[-1]
    content = newest.read_bytes()
    newest.write_bytes(content[: int(share * len(content))])
    position = checkpoints.restore(new("vae"))
    assert (position.epoch, position.batch) == (2, 2)
    assert len(told) == 1
    assert newest.name in told[0]
    assert "damaged" in told[0]


@once
def test_a_checkpoint_with_a_flipped_bit_is_passed_over(written, tmp_path):
    newest = sorted(tmp_path.iterdir())[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert written[1].restore(new("vae")).epoch == 2


@once
def test_any_damage_takes_the_one_before(written, tmp_path):
    model, checkpoints, told = written
    before, newest = sorted(tmp_path.iterdir())
    content, rng = newest.read_bytes(), random.Random(0)
    new_state = state(model)
    newest.unlink()
    old = checkpoints.restore(model)
    old_state = state(model)
    taken = {True: 0, False: 0}
    for _ in range(60):
        at, size = rng.randrange(len(content)), rng.choice([1, 8, 200, 5000])
        kind = rng.choice(["noise", "zeros", "out", "cut off"])
        noise = rng.randbytes(len(content[at : at + size]))
        filling = {"noise": noise, "zeros": bytes(len(noise))}.get(kind, b"")
        rest = b"" if kind == "cut off" else content[at + size :]
        newest.write_bytes(content[:at] + filling + rest)
        told.clear()
        position = checkpoints.restore(model)
        # What does not matter may be damaged: the dates in the archive, say.
        is_old = bool(told)
        taken[is_old] += 1
        assert len(told) == is_old
        assert (position == old) == is_old
        assert "\n" not in "".join(told)
        expected = old_state if is_old else new_state
        for (key, value), other in zip(expected.items(), state(model).values(), strict=True):
            np.testing.assert_array_equal(other, value, key)
    assert taken[True] > 30
    assert before.exists()


@once
def test_numbers_that_are_called_shorter_than_they_are_are_damage(tmp_path):
    # NumPy reads so many bytes as there should be, and never comes to the checksum at the end.
    variable, told = keras.Variable(np.ones(100_000, "float32")), []
    model = SimpleNamespace(
        variables=[variable], metrics_variables=[], optimizer=SimpleNamespace(variables=[])
    )
    checkpoints = Checkpoints(tmp_path, tell=told.append)
    checkpoints.set_model(SimpleNamespace(**vars(model), sync_state=lambda: None))
    checkpoints.write(Position(epoch=1))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b"'<f4'", b"'<f2'"))
    assert checkpoints.restore(model).epoch == 0
    assert len(told) == 1
    assert "checksum" in told[0]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), 1.0)


@once
def test_a_checkpoint_that_says_something_else(written, tmp_path):
    model, checkpoints, told = written
    _, newest = sorted(tmp_path.iterdir())
    with np.load(newest) as file:
        arrays = dict(file)
    about = json.loads(bytes(arrays["about"]))
    others = [
        None,
        [],
        {name: each for name, each in about.items() if name != "history"},
        *({**about, "epoch": each} for each in ("1", -1, 1.5, [])),
        {**about, "batch": None},
        *({**about, "values": each} for each in ("all", 10**12)),
        *({**about, "history": each} for each in (None, [3], [{"loss": "low"}])),
    ]
    for other in others:
        told.clear()
        arrays["about"] = np.frombuffer(json.dumps(other).encode(), "uint8")
        np.savez(newest, **arrays)
        assert checkpoints.restore(model).epoch == 2, other
        assert len(told) == 1
        assert "damaged" in told[0]


@once
def test_without_a_whole_checkpoint_it_begins_anew(written, tmp_path):
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    (tmp_path / ".new.checkpoint_00000009_00000000.npz").write_bytes(b"half")
    model = new("vae")
    before = state(model)
    assert written[1].restore(model).epoch == 0
    assert len(written[2]) == 2
    assert not list(tmp_path.glob(".new.*"))
    for (key, value), other in zip(before.items(), state(model).values(), strict=True):
        np.testing.assert_array_equal(other, value, key)


@once
def test_of_another_model_is_told(written):
    checkpoints, told = written[1:]
    assert checkpoints.restore(new("dcgan")).epoch == 0
    assert "another model" in told[0]


@once
def test_a_full_disk_does_not_end_the_training(tmp_path, data, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    model, told = new("vae"), []
    checkpoints = Checkpoints(tmp_path, steps=2, tell=told.append)
    fit(model, checkpoints, data, 0, 1)
    kept = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.setattr(np, "savez", full)
    fit(model, checkpoints, data, 1, EPOCHS)
    assert "the disk is full" in told[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


@once
def test_a_disk_that_is_really_full(tmp_path, data):
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    try:
        model, told = new("dcgan"), []
        (tmp_path / "other").write_bytes(b"x" * 90_000)
        fit(model, Checkpoints(tmp_path, steps=2, tell=told.append), data, 0, 1)
        assert "the disk is full" in told[0]
        assert [path.name for path in tmp_path.iterdir()] == ["other"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@once
def test_asked_to_stop_it_writes_a_checkpoint_first(tmp_path, data):
    model, before = new("vae"), []
    checkpoints = Checkpoints(tmp_path, before=lambda: before.append([*tmp_path.iterdir()]))
    checkpoints.stop_asked = True
    with pytest.raises(Stopped):
        fit(model, checkpoints, data, 0, 1)
    assert before == [[]]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint_00000000_00000000.npz"]


@once
def test_nothing_is_written_before_its_time(tmp_path, data):
    fit(
        new("vae"),
        Checkpoints(tmp_path, minutes=60.0, steps=BATCH * EPOCHS * STEPS),
        data,
        0,
        EPOCHS,
    )
    assert not list(tmp_path.iterdir())


@once
def test_written_by_minutes(tmp_path, data):
    fit(new("vae"), Checkpoints(tmp_path, minutes=1e-6), data, 0, 1)
    assert [path.name for path in tmp_path.iterdir()] == [
        "checkpoint_00000000_00000003.npz",
        "checkpoint_00000001_00000000.npz",
    ]
