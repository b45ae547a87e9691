"""A user's own .npz and .npy files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gm_keras.data import PreparedData
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4, 4), "uint8")
POINTS = np.random.default_rng(0).normal(size=(20, 3))
NAN = np.where(np.arange(60).reshape(20, 3) == 16, np.nan, POINTS)


def test_splits_of_its_own(make_data):
    data = make_data(
        x_train=IMAGES, y_train=np.arange(20) % 3, x_test=IMAGES[:6], y_test=np.arange(6) % 2
    )
    assert data.info["splits"] == {"train": 18, "validation": 2, "test": 6}
    np.testing.assert_array_equal(data.arrays("test")["image"][..., 0], IMAGES[:6])
    assert (data.num_classes, data.example_shape, data.levels) == (3, (4, 4, 1), 256)


def test_three_splits_named_as_ours(make_data):
    data = make_data(train_image=IMAGES, validation_image=IMAGES[:3], test_image=IMAGES[3:5])
    assert data.info["splits"] == {"train": 20, "validation": 3, "test": 2}
    np.testing.assert_array_equal(data.arrays("train")["image"][..., 0], IMAGES)


def test_strings_as_labels(make_data):
    names = np.array(["dog", "cat"])[np.arange(20) % 2]
    data = make_data(image=IMAGES, label=names)
    assert data.info["class_names"] == ["cat", "dog"]
    by_image = dict(zip(map(bytes, IMAGES), names, strict=True))
    for image, label in zip(*data.arrays("train").values(), strict=True):
        assert by_image[image.tobytes()] == data.info["class_names"][label]


def test_bits_have_two_levels(make_data):
    data = make_data(image=IMAGES > 127)
    assert data.levels == 2
    assert set(np.unique(data.scaled("train"))) == {-1.0, 1.0}
    assert make_data(image=(IMAGES > 127).astype("uint8")).levels == 2


def test_a_bare_npy_file(tmp_path: Path):
    np.save(tmp_path / "points.npy", POINTS)
    prepare("p", DataSettings(source="folder", path="points.npy"), tmp_path / "p", tmp_path)
    assert PreparedData(tmp_path / "p").info["splits"] == {"train": 16, "validation": 2, "test": 2}


def test_image_size_scales_and_cuts(tmp_path: Path):
    wide = np.zeros((12, 8, 16, 3), "uint8")
    wide[:, :, 4:12] = 200  # the square in the middle
    np.savez(tmp_path / "w.npz", x=wide)
    settings = DataSettings(source="folder", path="w.npz", image_size=4)
    prepare("w", settings, tmp_path / "w", tmp_path)
    data = PreparedData(tmp_path / "w")
    assert data.example_shape == (4, 4, 3)
    assert data.arrays("train")["image"].min() > 180  # the filter lets a little of the rest in


def test_a_mixture_says_its_centres(make_data):
    data = make_data(x=POINTS, centres=np.eye(3), deviation=np.array([0.1, 0.2, 0.3]))
    assert data.info["mixture"] == {
        "centres": np.eye(3).tolist(),
        "deviation": [0.1, 0.2, 0.3],
    }
    assert "mixture" not in make_data(x=POINTS).info


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
@pytest.mark.parametrize("kind", ["uint8", "int64", ">i4", "bool"])
def test_labels_of_every_kind(make_data, shape: tuple[int, ...], kind: str):
    labels = (np.arange(20) % 2).astype(kind)
    data = make_data(image=IMAGES, label=labels.reshape(shape))
    by_image = dict(zip(map(bytes, IMAGES), labels, strict=True))
    for split in data.info["splits"]:
        for image, label in zip(*data.arrays(split).values(), strict=True):
            assert by_image[image.tobytes()] == label
    assert data.info["class_names"] == ["0", "1"]


def test_names_as_labels_are_in_natural_order(make_data):
    names = np.array([f"class {number}" for number in range(12)])
    data = make_data(image=np.repeat(IMAGES[:12], 3, axis=0), label=np.repeat(names[::-1], 3))
    assert data.info["class_names"] == names.tolist()


def test_empty_classes_are_named(tmp_path: Path):
    np.savez(tmp_path / "own.npz", image=IMAGES, label=1 + np.arange(20) % 10)
    with pytest.raises(UserError) as error:
        settings = DataSettings(source="folder", path="own.npz")
        prepare("own", settings, tmp_path / "data" / "own", tmp_path)
    for part in (
        "data.own",
        "own.npz",
        '1 of 11 classes have no example: 0 ("0")',
        "renumber: true",
    ):
        assert part in str(error.value)
    assert not (tmp_path / "data" / "own").exists()


@pytest.mark.parametrize(
    "classes", [list(range(1, 11)), [0, 1, 2, 7, 8, 9, 10, 11, 12, 13], [-1, 1], [90, 10_000]]
)
def test_classes_are_renumbered_if_asked_for(tmp_path: Path, classes: list[int]):
    labels = np.array(classes)[np.arange(20) % len(classes)]
    np.savez(tmp_path / "own.npz", image=IMAGES, label=labels)
    settings = DataSettings(source="folder", path="own.npz", renumber=True)
    prepare("own", settings, tmp_path / "own", tmp_path)
    data = PreparedData(tmp_path / "own")
    assert data.info["class_names"] == [str(each) for each in sorted(classes)]
    by_image = dict(zip(map(bytes, IMAGES), labels, strict=True))
    for image, label in zip(*data.arrays("train").values(), strict=True):
        assert str(by_image[image.tobytes()]) == data.info["class_names"][label]


def test_a_class_that_is_only_tested(tmp_path: Path):
    np.savez(
        tmp_path / "own.npz", x=POINTS, y=np.arange(20) % 2, x_test=POINTS, y_test=np.arange(20) % 4
    )
    settings = DataSettings(source="folder", path="own.npz", renumber=True)
    with pytest.raises(UserError, match='label "2" of test is not in train'):
        prepare("own", settings, tmp_path / "own", tmp_path)


@pytest.mark.parametrize("kind", [">f8", "<f4", "float16", "longdouble"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_every_kind(tmp_path: Path, kind: str, order: str):
    points = np.asarray(POINTS, kind, order=order)
    np.save(tmp_path / "own.npy", points)
    prepare("own", DataSettings(source="folder", path="own.npy"), tmp_path / "own", tmp_path)
    data = PreparedData(tmp_path / "own")
    found = np.concatenate([data.arrays(split)["features"] for split in data.info["splits"]])
    assert sorted(found[:, 1]) == sorted(points[:, 1].astype("float32"))


def test_recordings_of_another_byte_order(make_data):
    audio = np.arange(60).reshape(12, 5).astype(">i2")
    data = make_data(audio=audio)
    found = np.concatenate([data.arrays(split)["audio"] for split in data.info["splits"]])
    assert sorted(found[:, 0]) == sorted(audio[:, 0])


def test_features_of_another_scale_are_told(make_data, capsys: pytest.CaptureFixture):
    data = make_data(x=POINTS)
    values = [np.asarray(data.arrays(split)["features"]) for split in data.info["splits"]]
    assert data.info["range"] == [min(map(np.min, values)), max(map(np.max, values))]
    assert "standardize" not in capsys.readouterr().err
    for factor, offset in ((12_300.0, 0.0), (1e-4, 0.0), (1.0, 1e5)):
        make_data(x=factor * POINTS + offset)
        told = capsys.readouterr().err
        assert "note: data.own: the features have standard deviations from " in told
        assert "standardize each" in told
    small, large = (
        12_300.0 * POINTS.std(axis=0, ddof=1).min(),
        12_300.0 * POINTS.std(axis=0, ddof=1).max(),
    )
    make_data(x=12_300.0 * POINTS)
    assert f"from {small:,.3g} to {large:,.3g}," in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": IMAGES[0]}, "expected images .* not uint8 of shape"),
        ({"image": IMAGES[0, 0]}, "expected images .* not uint8 of shape"),
        ({"image": IMAGES.astype("float32") / 255}, "must be uint8 with values 0 to 255"),
        ({"image": IMAGES.reshape(4, 5, 4, 4)}, "the shape .*1 or 3.*, not"),
        ({"x": POINTS.astype(int)}, "or vectors .floats, 2 dimensions., not int64"),
        ({"x": NAN}, "row 5 has a NaN or infinite value"),
        ({"x": POINTS[:9]}, "9 examples to train on are too few"),
        ({"x": POINTS[:0]}, "expected images"),
        ({"x": POINTS, "y": np.arange(19) % 2}, "20 examples, but labels of shape .19,."),
        ({"x": POINTS, "y": np.ones(20)}, "labels must be integers .*, not float64"),
        ({"x": POINTS, "y": np.arange(20) - 1}, "labels must be the classes 0, 1, 2.*found -1"),
        ({"x": POINTS, "y": np.arange(20) * 9}, "labels must be the classes 0, 1, 2.*found 171"),
        ({"x": POINTS, "weight": POINTS}, 'array "weight" of unknown use: expected image'),
        ({"x": POINTS, "image": IMAGES}, "two arrays say the same"),
        ({"label": np.arange(20)}, "labels but no image"),
        ({"x_test": POINTS}, "no array image"),
        ({"x_train": POINTS, "x_test": POINTS[:, :2]}, "the splits differ in shape"),
        ({"x_train": POINTS, "x_test": POINTS, "y_test": np.arange(20)}, "train has no labels"),
        ({"x": np.array([{}] * 20, dtype=object)}, "Python objects, which are not read"),
        ({"x": POINTS, "centres": np.eye(3)}, "a mixture of vectors of .3,. has centres"),
        ({"x": POINTS, "centres": np.eye(2), "deviation": 0.1}, "has centres .modes, features."),
        ({"x": POINTS, "centres": np.eye(3), "deviation": np.zeros(3)}, "a deviation above 0"),
        ({"image": IMAGES, "centres": np.eye(3), "deviation": 0.1}, "a mixture of vectors"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(make_data, arrays: dict, message: str):
    with pytest.raises(UserError, match=message) as error:
        make_data(**arrays)
    assert "own.npz" in str(error.value) or "examples to train" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 30, 400])
def test_a_truncated_file(tmp_path: Path, keep: int):
    np.savez(tmp_path / "own.npz", image=IMAGES)
    content = (tmp_path / "own.npz").read_bytes()
    (tmp_path / "own.npz").write_bytes(content[:keep])
    settings = DataSettings(source="folder", path="own.npz")
    with pytest.raises(UserError, match=r"own.npz is broken") as error:
        prepare("own", settings, tmp_path / "own", tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_path_and_a_file_of_another_kind(tmp_path: Path):
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    for settings, message in (
        (DataSettings(source="folder"), "data.own has source: folder, but no path"),
        (DataSettings(source="folder", path="nosuch"), "data.own.path: there is no folder or file"),
        (DataSettings(source="folder", path="a.png"), "expected a folder of images, a .npz"),
    ):
        with pytest.raises(UserError, match=message):
            prepare("own", settings, tmp_path / "own", tmp_path)
