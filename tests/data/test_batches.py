"""Batches: their order is a function of (seed, step), in our hands and in those of `fit`."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.data import Batches, PreparedData
from pipelines.prepare import prepare
from pipelines.settings import DataSettings

pytestmark = pytest.mark.backend

RATE = 0.1


@pytest.fixture
def points(make_data) -> PreparedData:
    values = np.random.default_rng(0).normal(size=(38, 2)).astype("float32")
    return make_data(x=values, y=np.arange(38) % 3)


@keras.saving.register_keras_serializable("tests")
class Mean(keras.Model):
    """Follows the mean of its batches: the weight after some steps shows which batches came."""

    def __init__(self, built_at_once: bool):
        super().__init__()
        if built_at_once:
            self.build(None)

    def build(self, input_shape) -> None:
        del input_shape
        self.w = self.add_weight(shape=(2,), initializer="zeros", name="w")
        self.built = True

    def call(self, inputs):
        return inputs["features"] - self.w

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        del x, y, sample_weight, training
        return ops.mean(ops.sum(ops.square(y_pred), axis=-1))


def expected(data: PreparedData, epochs: range, batch_size: int, seed: int) -> np.ndarray:
    """The weight after these epochs, worked out from the rule of the order."""
    w = np.zeros(2)
    x = np.asarray(data.arrays("train")["features"], "float64")
    for epoch in epochs:
        order = np.random.default_rng([seed, epoch]).permutation(len(x))
        for start in range(0, len(x) - batch_size + 1, batch_size):
            w -= RATE * 2.0 * (w - x[order[start : start + batch_size]].mean(axis=0))
    return w


def trained(model: keras.Model, batches: Batches, **options) -> np.ndarray:
    model.compile(optimizer=keras.optimizers.SGD(RATE))
    model.fit(batches, verbose=0, **options)
    return keras.ops.convert_to_numpy(model.w)


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("batch_size", [4, 12])
def test_fit_gives_each_epoch_its_own_order(points: PreparedData, built: bool, batch_size: int):
    batches = Batches(points, "train", batch_size, seed=5)
    found = trained(Mean(built), batches, epochs=4)
    np.testing.assert_allclose(found, expected(points, range(4), batch_size, 5), atol=1e-5)
    assert batches.epoch == 4


def test_resuming_continues_the_orders(points: PreparedData):
    model = Mean(True)
    trained(model, Batches(points, "train", 4, seed=5), epochs=2)
    rest = Batches(points, "train", 4, seed=5, initial_epoch=2)
    model.fit(rest, epochs=4, initial_epoch=2, verbose=0)
    found = keras.ops.convert_to_numpy(model.w)
    np.testing.assert_allclose(found, expected(points, range(4), 4, 5), atol=1e-5)


def test_one_batch_an_epoch_with_follow(points: PreparedData):
    batches = Batches(points, "train", 25, seed=5)
    assert len(batches) == 1
    found = trained(Mean(False), batches, epochs=3, callbacks=[batches.follow()])
    np.testing.assert_allclose(found, expected(points, range(3), 25, 5), atol=1e-5)


def test_validation_does_not_disturb_the_order(points: PreparedData):
    batches = Batches(points, "train", 4, seed=5)
    validation = Batches(points, "validation", 4, shuffle=False)
    found = trained(Mean(True), batches, epochs=3, validation_data=validation)
    np.testing.assert_allclose(found, expected(points, range(3), 4, 5), atol=1e-5)


def test_a_second_fit_goes_on(points: PreparedData):
    model, batches = Mean(False), Batches(points, "train", 4, seed=5)
    trained(model, batches, epochs=1)
    model.fit(batches, epochs=3, initial_epoch=1, verbose=0, shuffle=False)
    found = keras.ops.convert_to_numpy(model.w)
    np.testing.assert_allclose(found, expected(points, range(3), 4, 5), atol=1e-5)


def test_a_batch_is_a_dictionary(points: PreparedData):
    batches = Batches(points, "train", 8, seed=1)
    batch = batches[1]
    assert set(batch) == {"features", "label"}
    assert batch["features"].dtype == np.float32
    assert batch["label"].dtype == np.int32
    rows = np.random.default_rng([1, 0]).permutation(30)[8:16]
    np.testing.assert_array_equal(batch["features"], points.arrays("train")["features"][rows])
    np.testing.assert_array_equal(batch["label"], points.arrays("train")["label"][rows])


def test_images_come_scaled(make_data):
    data = make_data(image=np.random.default_rng(0).integers(0, 256, (30, 3, 3), "uint8"))
    batches = Batches(data, "train", 6)
    assert set(batches[0]) == {"image"}
    assert batches[0]["image"].shape == (6, 3, 3, 1)
    np.testing.assert_array_equal(batches[0]["image"], data.scaled("train")[batches.order(0)[:6]])


def test_an_epoch_is_every_row_once_without_the_rest(points: PreparedData):
    batches = Batches(points, "train", 8)
    assert (batches.size, len(batches)) == (30, 3)
    seen = np.concatenate([batches[index]["features"] for index in range(3)])
    assert len(np.unique(seen, axis=0)) == 24
    with pytest.raises(IndexError):
        batches[3]


def test_without_shuffling_the_split_is_read_whole(points: PreparedData):
    batches = Batches(points, "train", 8, shuffle=False)
    assert len(batches) == 4
    read = np.concatenate([batches[index]["features"] for index in range(4)])
    np.testing.assert_array_equal(read, points.arrays("train")["features"])


def test_the_order_depends_on_seed_and_epoch_only(points: PreparedData):
    first, second = Batches(points, "train", 4, seed=1), Batches(points, "train", 8, seed=1)
    first.order(0)
    np.testing.assert_array_equal(first.order(7), second.order(7))
    assert not np.array_equal(first.order(0), first.order(1))
    assert not np.array_equal(first.order(0), Batches(points, "train", 4, seed=2).order(0))
    first.epoch, second.epoch = 7, 7
    np.testing.assert_array_equal(
        np.concatenate([first[0]["features"], first[1]["features"]]), second[0]["features"]
    )


def test_a_batch_size_that_cannot_be(points: PreparedData):
    with pytest.raises(ValueError, match=r'batch_size is 31, but split "train" .* has 30 examples'):
        Batches(points, "train", 31)
    with pytest.raises(ValueError, match="at least 1"):
        Batches(points, "train", 0)


def test_an_epoch_of_so_many_steps(points: PreparedData):
    """Batch g of the stream is batch g mod P of pass g // P, however long an epoch is."""
    passes = Batches(points, "train", 4, seed=5)  # 7 batches a pass
    for steps in (3, 7, 10):
        batches = Batches(points, "train", 4, seed=5, steps_per_epoch=steps)
        assert len(batches) == steps
        for epoch in (0, 1, 4):
            batches.epoch = epoch
            for index in range(steps):
                step = epoch * steps + index
                passes.epoch = step // 7
                for field, values in passes[step % 7].items():
                    np.testing.assert_array_equal(batches[index][field], values)
                    np.testing.assert_array_equal(batches.read(step)[field], values)
    with pytest.raises(IndexError):
        batches[10]


def walked(data: PreparedData, steps: range, batch_size: int, seed: int) -> np.ndarray:
    """The weight after these steps of the stream of batches."""
    w, x = np.zeros(2), np.asarray(data.arrays("train")["features"], "float64")
    count = len(x) // batch_size
    for step in steps:
        order = np.random.default_rng([seed, step // count]).permutation(len(x))
        rows = order[step % count * batch_size :][:batch_size]
        w -= RATE * 2.0 * (w - x[rows].mean(axis=0))
    return w


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("steps", [3, 10])
def test_fit_over_epochs_of_so_many_steps(points: PreparedData, built: bool, steps: int):
    batches = Batches(points, "train", 4, seed=5, steps_per_epoch=steps)
    found = trained(Mean(built), batches, epochs=4)
    np.testing.assert_allclose(found, walked(points, range(4 * steps), 4, 5), atol=1e-5)


@pytest.mark.parametrize("steps", [None, 5, 10])
@pytest.mark.parametrize("done", [1, 4])
def test_the_rest_of_an_epoch_that_broke_off(points: PreparedData, steps: int | None, done: int):
    options = {"seed": 5, "steps_per_epoch": steps}
    model, epoch = Mean(True), steps or 7
    trained(model, Batches(points, "train", 4, **options), epochs=2)
    # It broke off in epoch 2 after `done` steps.
    for step in range(2 * epoch, 2 * epoch + done):
        model.train_on_batch(Batches(points, "train", 4, **options).read(step))
    rest = Batches(points, "train", 4, **options, initial_epoch=2, first_batch=done)
    assert len(rest) == epoch - done
    model.fit(rest, initial_epoch=2, epochs=3, verbose=0, callbacks=[rest.follow()])
    following = Batches(points, "train", 4, **options, initial_epoch=3)
    model.fit(following, initial_epoch=3, epochs=5, verbose=0)
    found = keras.ops.convert_to_numpy(model.w)
    np.testing.assert_allclose(found, walked(points, range(5 * epoch), 4, 5), atol=1e-5)
    assert following.epoch == 5


@pytest.mark.parametrize("built", [True, False])
def test_one_batch_left_of_an_epoch(points: PreparedData, built: bool):
    rest = Batches(points, "train", 4, seed=5, initial_epoch=2, first_batch=6)
    assert len(rest) == 1
    model = Mean(built)
    found = trained(model, rest, initial_epoch=2, epochs=3, callbacks=[rest.follow()])
    np.testing.assert_allclose(found, walked(points, range(20, 21), 4, 5), atol=1e-5)


def test_a_rest_is_for_one_epoch_only(points: PreparedData):
    rest = Batches(points, "train", 4, initial_epoch=2, first_batch=5)
    with pytest.raises(ValueError, match=r"the rest of epoch 2 .* new Batches, initial_epoch=3"):
        trained(Mean(True), rest, initial_epoch=2, epochs=4)


def test_lengths_that_cannot_be(points: PreparedData):
    for options, message in (
        ({"steps_per_epoch": 0}, "steps_per_epoch must be at least 1, not 0"),
        ({"steps_per_epoch": 3, "shuffle": False}, "goes with shuffle only"),
        ({"first_batch": 7}, "first_batch is 7, but an epoch has the batches 0 to 6"),
        ({"first_batch": -1}, "first_batch is -1"),
        ({"window": 3}, "is no stream of tokens: it takes no window"),
    ):
        with pytest.raises(ValueError, match=message):
            Batches(points, "train", 4, **options)


def test_every_field_comes(make_data):
    generator = np.random.default_rng(0)
    data = make_data(
        source=generator.integers(0, 2, (40, 3, 3), "uint8"),
        target=generator.integers(0, 256, (40, 6, 6, 3), "uint8"),
        label=np.arange(40) % 3,
    )
    batches = Batches(data, "train", 5, seed=2)
    rows, arrays = batches.order(0)[5:10], data.arrays("train")
    batch = batches[1]
    assert set(batch) == {"source", "target", "label"}
    np.testing.assert_array_equal(batch["source"], arrays["source"][rows] * 2.0 - 1.0)
    np.testing.assert_allclose(batch["target"], arrays["target"][rows] / 127.5 - 1.0, atol=1e-6)
    np.testing.assert_array_equal(batch["label"], arrays["label"][rows])
    assert [batch[field].dtype for field in ("source", "target", "label")] == [
        np.float32,
        np.float32,
        np.int32,
    ]


@pytest.fixture
def text(tmp_path):
    """A stream in which a token says where it stands."""
    (tmp_path / "own.txt").write_text("".join(map(chr, range(1000, 1500))), "utf-8")
    settings = DataSettings(source="folder", path="own.txt", level="bytes")
    prepare("text", settings, tmp_path / "text", tmp_path)
    folder, count = tmp_path / "text", 803
    info = json.loads((folder / "dataset.json").read_text())
    info["splits"]["train"], info["levels"] = count, count
    info["fields"]["tokens"]["dtype"] = "uint16"
    (folder / "dataset.json").write_text(json.dumps(info))
    for split in ("validation", "test"):
        np.save(folder / f"{split}_tokens.npy", np.arange(info["splits"][split], dtype="uint16"))
    np.save(folder / "train_tokens.npy", np.arange(count, dtype="uint16"))
    return PreparedData(folder)


def test_a_pass_cuts_a_stream_into_windows(text: PreparedData):
    batches = Batches(text, "train", 4, seed=3, window=9)
    assert (batches.size, len(batches)) == (88, 22)  # 803 - 8 tokens in nines
    offsets = []
    for epoch in range(6):
        batches.epoch = epoch
        tokens = np.concatenate([batches[index]["tokens"] for index in range(22)])
        assert (tokens.dtype, tokens.shape) == (np.int32, (88, 9))
        np.testing.assert_array_equal(tokens - tokens[:, :1], np.tile(np.arange(9), (88, 1)))
        # They do not overlap and leave nothing out, but they do not come in their order.
        offsets.append(tokens.min())
        np.testing.assert_array_equal(np.sort(tokens[:, 0]), offsets[-1] + 9 * np.arange(88))
        assert not np.array_equal(np.sort(tokens[:, 0]), tokens[:, 0])
        generator = np.random.default_rng([3, epoch])
        assert offsets[-1] == generator.integers(9)
        np.testing.assert_array_equal(tokens[:, 0], offsets[-1] + 9 * generator.permutation(88))
    assert len(set(offsets)) > 2
    assert 0 <= min(offsets) <= max(offsets) <= 8


def test_windows_without_shuffling_predict_every_token_once(text: PreparedData):
    batches = Batches(text, "train", 10, shuffle=False, window=9)
    tokens = np.concatenate([batches[index]["tokens"] for index in range(len(batches))])
    np.testing.assert_array_equal(tokens, text.windows("train", 9))
    np.testing.assert_array_equal(tokens[:, 1:].ravel(), np.arange(1, 801))  # 2 are left
    np.testing.assert_array_equal(tokens[1:, 0], tokens[:-1, -1])
    assert text.windows("train", 803).shape == (1, 803)
    # 401 windows of two predict 802 tokens from the one before each.
    np.testing.assert_array_equal(text.windows("train", 2)[:, 1], np.arange(1, 803))


def test_windows_that_cannot_be(text: PreparedData):
    for options, message in (
        ({}, "is a stream of tokens: it needs a window"),
        ({"window": 1}, r"window is 1, but split .train. .* 803 tokens: set it to 2 to 402"),
        ({"window": 403}, "window is 403, .* 803 tokens: set it to 2 to 402"),
        ({"window": 804, "shuffle": False}, "window is 804, .*: set it to 2 to 803"),
        ({"window": 300}, "batch_size is 4, .* has 1 windows of 300 tokens: .* at most 1"),
    ):
        with pytest.raises(ValueError, match=message):
            Batches(text, "train", 4, **options)
    assert len(Batches(text, "train", 1, window=402)) == 1


@pytest.mark.parametrize("window", [None, 5])
def test_held_on_the_device_batches_are_the_same(make_data, tmp_path, window):
    random = np.random.default_rng(0)
    if window:
        (tmp_path / "own.txt").write_text("".join(random.choice(list("abc \n"), 400)))
        settings = DataSettings(source="folder", path="own.txt")
        prepare("own", settings, tmp_path / "data" / "own", tmp_path)
        data = PreparedData(tmp_path / "data" / "own")
    else:
        data = make_data(
            x=random.integers(0, 256, (20, 4, 4, 1)).astype("uint8"), y=np.arange(20) % 3
        )
    on_disk = Batches(data, "train", 4, window=window)
    held = Batches(data, "train", 4, window=window, on_device=True)
    for step in range(len(on_disk)):
        expected, got = on_disk.read(step), held.read(step)
        assert expected.keys() == got.keys()
        for field, value in expected.items():
            found = ops.convert_to_numpy(got[field])
            assert found.dtype == value.dtype
            np.testing.assert_array_equal(found, value)
