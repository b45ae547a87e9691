"""Batches: their order is a function of (seed, epoch), in our hands and in those of `fit`."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.data import Batches, PreparedData

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
