"""Pictures while a model trains: none of them is worth the training."""

import contextlib
import errno
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from gm_keras import images
from gm_keras.callbacks import SampleGrids
from gm_keras.callbacks.grids import draw, draw_or_explain
from gm_keras.core.conditions import Condition
from gm_keras.fields import captions

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


class Model:
    """Draws grey images, or raises what it is given."""

    capabilities = frozenset({"sampler"})
    data_field = "image"
    conditions: ClassVar = {}

    def __init__(self, error=None):
        self.error = error
        self.optimizer = SimpleNamespace(averaged=contextlib.nullcontext)

    def sample(self, n, **options):
        if self.error:
            raise self.error
        return np.zeros((n, 4, 4, 1), "float32")


def callback(model, folder, **options):
    told, shown = [], []
    grids = SampleGrids(
        folder, 2, grids=2, tell=told.append, on_picture=lambda *each: shown.append(each), **options
    )
    grids.set_model(model)
    return grids, told, shown


def test_a_picture_that_is_drawn_is_told_to_nobody(tmp_path):
    grids, told, shown = callback(Model(), tmp_path / "epochs")
    grids.on_epoch_end(0)
    assert not told
    assert [epoch for _, epoch in shown] == [1]
    side = 8 * 56 + 7 * images.GAP  # eight images of 4 pixels, 14 times as large
    assert Image.open(shown[0][0]).size == (side, side)


@pytest.mark.parametrize(
    "error", [ValueError("no\nclass"), RuntimeError("out of memory"), MemoryError(), KeyError(3)]
)
def test_a_picture_that_cannot_be_drawn_does_not_end_the_training(tmp_path, error):
    grids, told, shown = callback(Model(error), tmp_path)
    grids.on_epoch_end(0)
    grids.on_epoch_end(1)
    assert len(told) == 2
    assert "epoch 1" in told[0]
    assert type(error).__name__ in told[0]
    assert "\n" not in told[0]
    assert not shown
    assert not list(tmp_path.iterdir())


def test_nor_does_a_full_disk(tmp_path, monkeypatch):
    def full(_, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(images, "save", full)
    grids, told, _ = callback(Model(), tmp_path)
    grids.on_epoch_end(0)
    assert "No space left" in told[0]
    assert not list(tmp_path.iterdir())


def test_who_stops_the_training_stops_it_here_too(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        callback(Model(KeyboardInterrupt()), tmp_path)[0].on_epoch_end(0)


def test_where_there_is_no_picture_one_says_why():
    told = []
    picture, reason = draw_or_explain(Model(), None, 0, tell=told.append)
    assert reason is None
    assert not told
    explained, reason = draw_or_explain(Model(ValueError("of\nall")), None, 0, tell=told.append)
    assert reason == "of all"
    assert told == ["there is no picture of samples: ValueError: of all"]
    assert explained.dtype == picture.dtype
    assert explained.ndim == picture.ndim == 3
    assert explained.min() < 255


class OfCaptions(Model):
    """Draws the brighter, the longer its caption is."""

    conditions = {"caption": Condition.caption(8)}
    fields = {"image": (4, 4, 1)}

    def sample(self, n, *, caption, seed):
        del seed
        assert len(caption) == n
        lengths = (np.asarray(caption) > 0).sum(axis=1)
        return np.ones((n, 4, 4, 1), "float32") * (lengths / 4.0 - 1.0)[:, None, None, None]


class OfFilms(Model):
    """Draws films that get brighter."""

    data_field = "video"

    def sample(self, n, **options):
        return np.zeros((n, 3, 4, 4, 1)) + np.linspace(-1.0, 1.0, 3)[:, None, None, None]


def test_samples_stand_above_the_captions_of_test_examples():
    codes = captions.encode(["a", "abcdefgh"], 8).astype("int32")
    page = draw(OfCaptions(), 0, real={"image": np.zeros((2, 4, 4, 1)), "caption": codes})
    size = 160
    dark, bright = page[10, 10, 0], page[10, size + 18, 0]
    assert dark < 64 < 200 < bright
    # The text of both.
    assert (page[size : size + 30, :size] < 100).any()
    assert (page[size : size + 30, size + 8 : 2 * size] < 100).any()


def test_films_are_saved_as_films(tmp_path):
    grids, told, shown = callback(OfFilms(), tmp_path)
    grids.on_epoch_end(0)
    assert not told
    with Image.open(shown[0][0]) as film:
        assert film.n_frames == 3
