"""Pictures of samples."""

import numpy as np
from PIL import Image

from gm_keras import images


def test_a_grid_holds_every_image_once():
    samples = np.linspace(-1.0, 1.0, 6).repeat(16).reshape(6, 4, 4, 1).astype("float32")
    picture = images.grid(samples, columns=3, size=20)
    assert picture.shape == (12, 20, 3)
    assert picture.dtype == np.uint8
    expected = np.round(np.linspace(0.0, 255.0, 6))
    for index in range(6):
        row, column = divmod(index, 3)
        cell = picture[row * 8 : row * 8 + 4, column * 8 : column * 8 + 4]
        assert (cell == expected[index]).all()


def test_small_images_are_enlarged_by_a_whole_factor():
    picture = images.grid(np.zeros((4, 8, 8, 3), "float32"), size=480)
    assert (picture.shape[1] - images.GAP) % 16 == 0
    assert 400 <= picture.shape[1] <= 560
    # However much they are enlarged, what lies between them is not.
    assert (picture == 255).all(axis=(0, 2)).sum() == images.GAP == 4


def test_a_grid_is_made_smaller_with_every_image_as_sharp():
    samples = np.random.default_rng(0).uniform(-1.0, 1.0, (80, 8, 8, 1)).astype("float32")
    large = images.grid(samples, columns=10)
    assert large.shape == (412, 516, 3)
    np.testing.assert_array_equal(images.smaller_grid(large, 276), images.grid(samples, 10, 276))
    assert images.smaller_grid(large, 276).shape == (220, 276, 3)
    # With one pixel of their own for each of theirs, ten and what is between them take 116.
    assert images.smaller_grid(large, 116).shape[1] == 116
    assert images.smaller_grid(large, 115) is None


def test_a_picture_that_is_no_grid_is_one_image():
    picture = np.random.default_rng(0).integers(0, 256, (31, 50, 3), "uint8")
    np.testing.assert_array_equal(images.smaller_grid(picture, 50), picture)
    assert images.smaller_grid(picture, 49) is None


def test_values_out_of_range_and_nan_are_shown_at_the_ends():
    samples = np.array([2.0, -3.0, np.nan]).reshape(3, 1, 1, 1)
    picture = images.grid(samples, columns=3, size=1)
    assert [int(picture[0, 5 * column, 0]) for column in range(3)] == [255, 0, 128]


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
