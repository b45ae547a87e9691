"""Pictures of samples."""

import numpy as np
from PIL import Image

from gm_keras import images


def test_a_grid_holds_every_image_once():
    samples = np.linspace(-1.0, 1.0, 6).repeat(16).reshape(6, 4, 4, 1).astype("float32")
    picture = images.grid(samples, columns=3, size=14)
    assert picture.shape == (9, 14, 3)
    assert picture.dtype == np.uint8
    expected = np.round(np.linspace(0.0, 255.0, 6))
    for index in range(6):
        row, column = divmod(index, 3)
        cell = picture[row * 5 : row * 5 + 4, column * 5 : column * 5 + 4]
        assert (cell == expected[index]).all()


def test_small_images_are_enlarged_by_a_whole_factor():
    picture = images.grid(np.zeros((4, 8, 8, 3), "float32"), size=480)
    assert picture.shape[1] % 17 == 0
    assert 400 <= picture.shape[1] <= 560


def test_values_out_of_range_and_nan_are_shown_at_the_ends():
    samples = np.array([2.0, -3.0, np.nan]).reshape(3, 1, 1, 1)
    picture = images.grid(samples, columns=3, size=1)
    assert [int(picture[0, 2 * column, 0]) for column in range(3)] == [255, 0, 128]


def test_points_become_a_scatter_plot(tmp_path):
    picture = images.scatter(np.random.default_rng(0).normal(size=(50, 2)))
    assert picture.shape == (480, 480, 3)
    assert picture.min() < 100
    images.save(picture, tmp_path / "a.png")
    images.save(picture, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture)


def test_images_that_belong_together_stand_beside_each_other():
    grey, coloured = np.zeros((2, 2, 2, 1)), np.ones((2, 4, 4, 3))
    row = images.beside(grey, coloured)
    assert row.shape == (4, 4, 4, 3)
    np.testing.assert_array_equal(row[0::2], 0.0)
    np.testing.assert_array_equal(row[1::2], 1.0)


def test_text_becomes_a_picture():
    one = images.text(["a\n" + 200 * "b", "\t\u4e00"])
    assert one.dtype == np.uint8
    assert one.min() < 60
    np.testing.assert_array_equal(one, images.text(["a\n" + 200 * "b", "\t\u4e00"]))
    assert images.text(["a"]).shape[0] < images.text(["a\nb\nc"]).shape[0]
    assert images.text([""]).shape[2] == 3
