"""Captions, masks, drawings, films, volumes and attributes: from a user's arrays to batches."""

from pathlib import Path

import keras
import numpy as np
import pytest

from gm_keras.data import Batches, PreparedData
from gm_keras.fields import captions, strokes
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (20, 4, 6, 3), "uint8")
TEXTS = np.array([f"{number} Äpfel, 苹果" * (1 + number % 3) for number in range(20)])
MASKS = RANDOM.integers(0, 5, (20, 4, 6))
VIDEO = RANDOM.integers(0, 256, (20, 3, 4, 4), "uint8")
LENGTHS = RANDOM.integers(1, 6, 20)
POINTS = np.column_stack(
    [RANDOM.normal(0.0, 7.0, (LENGTHS.sum(), 2)), RANDOM.integers(0, 2, LENGTHS.sum())]
)


def rows_of(data, images: np.ndarray, split: str = "train") -> list[int]:
    """Which of the given images the rows of a split are."""
    place = {image.tobytes(): number for number, image in enumerate(images)}
    return [place[image.tobytes()] for image in data.arrays(split)["image"]]


def test_captions_come_back_as_they_were():
    codes = captions.encode(TEXTS.tolist())
    assert codes.dtype == np.uint8
    assert codes.shape == (20, max(len(text.encode()) for text in TEXTS))
    assert captions.decode(codes) == TEXTS.tolist()
    assert captions.decode(captions.encode(["", "a"], 3)) == ["", "a"]
    assert captions.decode(np.array([[0xC3, 97, 0, 98]])) == ["\ufffda"]
    with pytest.raises(ValueError, match="has 4 bytes, and there is room for 3: 'abcd'"):
        captions.encode(["abc", "abcd"], 3)


def test_images_with_captions_masks_and_attributes(make_data):
    sizes = np.array(["small", "large"])[np.arange(20) % 2]
    places = RANDOM.normal(size=(20, 2))
    data = make_data(
        image=IMAGES,
        caption=TEXTS,
        mask=MASKS,
        attribute_size=sizes,
        attribute_place=places,
        attribute_count=np.arange(20),
        label=np.arange(20) % 2,
    )
    rows = rows_of(data, IMAGES)
    assert (data.primary, list(data.info["fields"])) == (
        "image",
        ["image", "caption", "mask", "label"],
    )
    assert (data.levels_of("mask"), data.levels_of("caption")) == (5, 256)
    assert captions.decode(data.arrays("train")["caption"]) == TEXTS[rows].tolist()
    known = data.attributes("train")
    assert data.names("size") == ["large", "small"]
    assert [data.names("size")[each] for each in known["size"]] == sizes[rows].tolist()
    np.testing.assert_allclose(known["place"], places[rows], rtol=1e-6)
    np.testing.assert_array_equal(known["count"], rows)

    batch = Batches(data, "train", 4, shuffle=False)[1]
    assert set(batch) == {"image", "caption", "mask", "label"}
    assert {batch[field].dtype for field in ("caption", "mask", "label")} == {np.dtype("int32")}
    np.testing.assert_array_equal(batch["mask"][..., 0], MASKS[rows[4:8]])
    assert captions.decode(batch["caption"]) == TEXTS[rows[4:8]].tolist()


def test_a_batch_of_chosen_fields(make_data):
    data = make_data(image=IMAGES, mask=MASKS, label=np.arange(20) % 2)
    assert set(Batches(data, "train", 4, fields=["label", "image"])[0]) == {"image", "label"}
    with pytest.raises(ValueError, match='no field "caption"; it has image, mask, label'):
        Batches(data, "train", 4, fields=["caption"])


def test_masks_are_scaled_without_new_classes(tmp_path: Path):
    masks = np.where(np.arange(12)[:, None] < 6, 0, 9) * np.ones((20, 12, 12), int)
    np.savez(tmp_path / "m.npz", image=IMAGES[:, :1, :1].repeat(12, 1).repeat(12, 2), mask=masks)
    settings = DataSettings(source="folder", path="m.npz", image_size=5)
    prepare("m", settings, tmp_path / "m", tmp_path)
    found = PreparedData(tmp_path / "m").arrays("train")["mask"]
    assert found.shape[1:] == (5, 5, 1)
    assert set(np.unique(found)) == {0, 9}


@pytest.mark.parametrize("form", ["end to end", "padded", "one-hot"])
def test_drawings(make_data, form: str):
    padded = strokes.joined(POINTS, LENGTHS)
    given = {
        "end to end": {"strokes": POINTS, "lengths": LENGTHS},
        "padded": {"strokes": padded},
        "one-hot": {
            "strokes": np.concatenate([padded[..., :2], np.eye(3)[padded[..., 2].astype(int)]], -1)
        },
    }[form]
    data = make_data(**given)
    assert (data.primary, data.example_shape) == ("strokes", (5, 3))
    found = data.arrays("train")["strokes"]
    place = {drawing.tobytes(): number for number, drawing in enumerate(padded)}
    rows = [place[drawing.tobytes()] for drawing in found]
    np.testing.assert_array_equal((found[..., 2] != strokes.ENDED).sum(axis=1), LENGTHS[rows])
    scaled = data.scaled("train")
    drawn = scaled[..., 2] != strokes.ENDED
    assert abs(scaled[drawn][:, :2].std() - 1.0) < 1e-3
    np.testing.assert_array_equal(scaled[..., 2], found[..., 2])
    np.testing.assert_array_equal(scaled[~drawn][:, :2], 0.0)


def test_films_and_volumes(make_data):
    data = make_data(video=VIDEO)
    assert (data.primary, data.example_shape, data.levels) == ("video", (3, 4, 4, 1), 256)
    batch = Batches(data, "train", 4)[0]["video"]
    assert batch.shape == (4, 3, 4, 4, 1)
    assert batch.dtype == np.float32
    assert -1.0 <= batch.min() < -0.9 < 0.9 < batch.max() <= 1.0
    data = make_data(voxels=VIDEO > 127)
    assert (data.primary, data.levels) == ("voxels", 2)
    assert set(np.unique(data.scaled("train"))) == {-1.0, 1.0}


@pytest.mark.parametrize("length", [2, 5])
def test_films_of_another_length(tmp_path: Path, length: int):
    np.savez(tmp_path / "v.npz", video=VIDEO[:1].repeat(20, axis=0))
    settings = DataSettings(source="folder", path="v.npz", length=length)
    prepare("v", settings, tmp_path / "v", tmp_path)
    found = PreparedData(tmp_path / "v").arrays("train")["video"][0, ..., 0]
    np.testing.assert_array_equal(found, VIDEO[0][[0, 1, 2, 2, 2][:length]])


def test_a_split_of_unseen_combinations_stays_apart(make_data):
    data = make_data(train_image=IMAGES, unseen_image=IMAGES[:4])
    assert data.info["splits"] == {"train": 16, "validation": 2, "test": 2, "unseen": 4}
    np.testing.assert_array_equal(data.arrays("unseen")["image"], IMAGES[:4])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": IMAGES, "caption": np.arange(20)}, "captions are strings of shape .n,., not"),
        ({"image": IMAGES, "caption": TEXTS[:9]}, "20 in image and 9 in caption: each needs"),
        ({"image": IMAGES, "caption": np.array(["x" * 5000] * 20)}, "5,000 bytes, at most 4,096"),
        ({"caption": TEXTS}, "has caption but no image"),
        ({"image": IMAGES, "mask": MASKS / 2}, "masks are integers .*, not float64"),
        ({"image": IMAGES, "mask": MASKS - 1}, "classes of masks are 0 to 255, found -1"),
        ({"image": IMAGES, "mask": np.eye(5)[MASKS].astype(int)}, r"one-hot classes take .argmax"),
        (
            {"image": IMAGES, "mask": MASKS[:, 1:]},
            r"masks are \(3, 6, 1\), and image is \(4, 6, 3\)",
        ),
        ({"voxels": VIDEO, "mask": MASKS}, "has mask for train, which goes with images"),
        ({"image": IMAGES, "lengths": LENGTHS}, "has lengths for train, which goes with strokes"),
        ({"strokes": POINTS}, r"an array lengths, not \(\d+, 3\)"),
        ({"strokes": POINTS[:-1], "lengths": LENGTHS}, "lengths of at least 1 that add up to"),
        ({"strokes": np.ones((20, 5, 4))}, r"the shape \(n, length, 3 or 5\)"),
        ({"strokes": np.full((20, 5, 3), 7)}, "the pen is 0 .*1 .*or 2 .*, not 7"),
        ({"strokes": np.full((20, 5, 3), 2)}, "drawing 0 has no point"),
        ({"strokes": np.array([[[1, 1, 0], [0, 0, 2], [1, 1, 1]]] * 20)}, "goes on after"),
        ({"strokes": np.ones((20, 5, 5))}, "one is 1 and two are 0"),
        ({"video": VIDEO / 255}, "video must be uint8 .*, not float64"),
        ({"video": VIDEO[:, 0]}, r"the shape \(n, frames, height, width\)"),
        ({"voxels": VIDEO[..., None].repeat(2, -1)}, r"the shape \(n, depth, height, width\)"),
        (
            {"image": IMAGES, "video": VIDEO},
            "a data set has one of image, source and target, video",
        ),
        (
            {"image": IMAGES, "attribute_x": np.array([b"a"] * 20)},
            "attribute x must be numbers or str",
        ),
        ({"image": IMAGES, "attribute_x": np.arange(20) * 2**40}, "integers of more than 32 bits"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(make_data, arrays: dict, message: str):
    with pytest.raises(UserError, match=message) as error:
        make_data(**arrays)
    assert "\n" not in str(error.value)
    assert "own.npz" in str(error.value)


def test_preparing_again_replaces_attributes_and_unseen_examples(make_data):
    arrays = {"train_image": IMAGES, "unseen_image": IMAGES[:4]}
    for name in ("attribute_Size_2", "attribute_size"):
        given = {
            f"{split}_{name}": np.arange(len(arrays[f"{split}_image"]))
            for split in ("train", "unseen")
        }
        data = make_data(**arrays, **given)
    assert set(data.attributes("unseen")) == {"size"}
    assert not list(data.path.glob("*Size_2*"))


def test_a_folder_that_lacks_an_attribute_is_not_opened(make_data):
    data = make_data(image=IMAGES, attribute_size=np.arange(20))
    (data.path / "test_attribute_size.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"test_attribute_size.npy is missing; prepare it"):
        PreparedData(data.path)


@pytest.mark.backend
def test_a_split_held_on_the_device_gives_the_same_batches(make_data):
    every = [
        make_data(image=IMAGES, mask=MASKS, caption=TEXTS),
        make_data(strokes=POINTS, lengths=LENGTHS),
        make_data(video=VIDEO),
    ]
    for data in every:
        held = Batches(data, "train", 4, on_device=True)[0]
        for field, values in Batches(data, "train", 4)[0].items():
            found = keras.ops.convert_to_numpy(held[field])
            assert found.dtype == values.dtype
            np.testing.assert_allclose(found, values, rtol=1e-6)
