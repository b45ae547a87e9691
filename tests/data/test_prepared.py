"""Opening what was prepared: memory maps, the scale, and every way in which a folder can be broken."""

import json
import os
import resource
import shutil
import sys

import numpy as np
import pytest

from gm_keras.data import Batches, PreparedData

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 4, 5, 3), "uint8")
IMAGES[0, 0, 0] = (0, 1, 255)
LABELS = np.arange(40) % 4


@pytest.fixture
def images(make_data) -> PreparedData:
    return make_data(image=IMAGES, label=LABELS)


def test_arrays_are_memory_maps_with_what_was_given(images: PreparedData):
    assert images.info["splits"] == {"train": 32, "validation": 4, "test": 4}
    rows = []
    for split in ("train", "validation", "test"):
        arrays = images.arrays(split)
        assert isinstance(arrays["image"], np.memmap)
        assert not arrays["image"].flags.writeable
        assert (arrays["image"].dtype, arrays["label"].dtype) == (np.uint8, np.int32)
        assert len(arrays["image"]) == images.size(split) == images.info["splits"][split]
        rows += list(zip(map(bytes, arrays["image"]), arrays["label"].tolist(), strict=True))
    assert sorted(rows) == sorted(zip(map(bytes, IMAGES), LABELS.tolist(), strict=True))


def test_images_are_scaled_to_minus_one_and_one(images: PreparedData):
    scaled = images.scaled("train")
    raw = np.asarray(images.arrays("train")["image"])
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, raw / 127.5 - 1.0, atol=1e-6)
    every = np.concatenate([images.scaled(split) for split in images.info["splits"]])
    assert (every.min(), every.max()) == (-1.0, 1.0)
    rows = np.array([5, 0, 5])
    np.testing.assert_array_equal(images.scaled("train", "image", rows), scaled[rows])
    np.testing.assert_array_equal(images.scaled("train", indices=slice(2, 4)), scaled[2:4])
    with pytest.raises(ValueError, match=r"\"label\" has no scale"):
        images.scaled("train", "label")


def test_features_keep_their_values(make_data):
    points = np.random.default_rng(0).normal(size=(30, 6))
    data = make_data(x=points)
    assert (data.primary, data.example_shape, data.num_classes) == ("features", (6,), None)
    found = np.concatenate([data.scaled(split) for split in data.info["splits"]])
    assert found.dtype == np.float32
    assert sorted(found[:, 0].tolist()) == sorted(points.astype("float32")[:, 0].tolist())
    found[0] = 0.0  # a copy, not the map


def test_an_unknown_split_names_those_that_there_are(images: PreparedData):
    with pytest.raises(ValueError, match='no split "dev"; it has train, validation, test'):
        images.arrays("dev")


def test_a_missing_folder_says_how_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"python -m pipelines.prepare nosuch"):
        PreparedData(tmp_path / "nosuch")
    with pytest.raises(FileNotFoundError, match=r"dvc repro prepare@nosuch"):
        PreparedData(tmp_path / "nosuch")


def test_a_missing_array(images: PreparedData):
    (images.path / "test_label.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"test_label.npy is missing; .*prepare own"):
        PreparedData(images.path)


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_a_truncated_array(images: PreparedData, size: int):
    file = images.path / "train_image.npy"
    content = file.read_bytes()
    file.write_bytes(content[:size])
    with pytest.raises(ValueError, match=r"train_image.npy is truncated .*pipelines.prepare own"):
        PreparedData(images.path)


def test_an_array_that_is_too_long(images: PreparedData):
    with (images.path / "train_image.npy").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match=r"bytes instead of"):
        PreparedData(images.path)


def test_an_array_that_does_not_fit_the_description(images: PreparedData):
    shutil.copyfile(images.path / "test_image.npy", images.path / "train_image.npy")
    with pytest.raises(ValueError, match=r"holds uint8 \(4, 4, 5, 3\), but dataset.json says"):
        PreparedData(images.path)


def test_pickled_objects_are_not_loaded(images: PreparedData):
    objects = np.array([{"a": 1}] * 4, dtype=object)
    np.save(images.path / "test_label.npy", objects, allow_pickle=True)
    with pytest.raises(ValueError, match=r"test_label.npy"):
        PreparedData(images.path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '{"name": "own"}',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"name": NaN}',
    ],
)
def test_a_broken_description(images: PreparedData, text: str):
    (images.path / "dataset.json").write_text(text)
    with pytest.raises(ValueError, match=r"dataset.json .*pipelines.prepare own"):
        PreparedData(images.path)


@pytest.mark.parametrize(
    "change",
    [
        {"primary": "target"},
        {"fields": {"image": {"shape": [4, 5, 3]}}},
        {"levels": None},
        {"levels": "many"},
        {"levels": 1},
        {"levels": 10**30},
        {"stream": True},
        {"primary": ["image"]},
        {"primary": None},
        {"name": 3},
        {"fields": None},
        {"fields": []},
        {"fields": {"image": None}},
        {"fields": {"image": {"shape": 5, "dtype": "uint8"}}},
        {"fields": {"image": {"shape": [4, "5", 3], "dtype": "uint8"}}},
        {"fields": {"image": {"shape": [4, -5, 3], "dtype": "uint8"}}},
        {"fields": {"image": {"shape": [4, 5, 3], "dtype": "unit8"}}},
        {"fields": {"image": {"shape": [4, 5, 3], "dtype": ["uint8"]}}},
        {"fields": {"../image": {"shape": [4, 5, 3], "dtype": "uint8"}}, "primary": "../image"},
        {"splits": None},
        {"splits": {}},
        {"splits": {"train": True}},
        {"splits": {"train": "32"}},
        {"splits": {"../train": 32}},
        {"num_classes": "four"},
        {"class_names": ["a", "b"]},
        {"class_names": "abcd"},
        {"vocabulary": 3},
        {"mixture": []},
        {"mixture": {"centres": [[0.0], [1.0, 2.0]], "deviation": 1.0}},
        {"mixture": {"centres": [["a"]], "deviation": 1.0}},
    ],
)
def test_a_description_without_sense(images: PreparedData, change: dict):
    file = images.path / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ValueError, match=r"does not describe its fields; .*pipelines.prepare own"):
        PreparedData(images.path)


def test_a_pipe_is_not_waited_for(images: PreparedData):
    for name in ("test_label.npy", "dataset.json"):
        (images.path / name).unlink()
        os.mkfifo(images.path / name)
        with pytest.raises(ValueError, match=f"{name} .*is a pipe, not a file"):
            PreparedData(images.path)


def test_a_description_that_is_gone_beside_what_may_be_the_users(images: PreparedData):
    (images.path / "dataset.json").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"delete .*own if nothing of yours is in it, and prep"
    ):
        PreparedData(images.path)


def test_every_damage_is_one_line(images: PreparedData):
    random = np.random.default_rng(7)
    for name in ("dataset.json", "train_image.npy", "test_label.npy"):
        file = images.path / name
        whole = file.read_bytes()
        for _ in range(40):
            content = bytearray(whole)
            # Of an array its header: other values are still values.
            at = int(random.integers(min(len(content), 500 if name.endswith("json") else 128)))
            wrong = random.integers(0, 256, random.integers(1, 6), "uint8").tobytes()
            content[at : at + (0, 1, len(wrong), 30)[random.integers(4)]] = wrong
            file.write_bytes(bytes(content))
            message = ""
            try:
                PreparedData(images.path)
            except (ValueError, FileNotFoundError) as error:
                message = str(error)
            assert message.isprintable()
            assert not message or str(images.path) in message
        file.write_bytes(whole)
    PreparedData(images.path)


def test_an_unknown_field(images: PreparedData):
    assert (images.shape("label"), images.levels_of("label")) == ((), None)
    with pytest.raises(ValueError, match='no field "source"; it has image, label'):
        images.scaled("train", "source")


def test_a_pixel_beyond_the_levels(images: PreparedData):
    file = images.path / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "levels": 17}))
    with pytest.raises(ValueError, match="above 16"):
        PreparedData(images.path).scaled("train")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to map pages")
def test_pages_are_mapped_before_batches_take_rows(tmp_path):
    rows = 4096
    spec = {"shape": [64, 64, 1], "dtype": "uint8"}
    info = {"name": "wide", "primary": "image", "fields": {"image": spec}, "levels": 256}
    info |= {"splits": {"train": rows}, "num_classes": None}
    (tmp_path / "dataset.json").write_text(json.dumps(info))
    np.save(tmp_path / "train_image.npy", np.zeros((rows, 64, 64, 1), "uint8"))
    data = PreparedData(tmp_path)
    Batches(data, "train", 8)
    mapped = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    assert data.arrays("train")["image"].sum() == 0
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - mapped
    # Around a page that is missing Linux maps sixteen that are there: 256 faults for the 16 MiB.
    assert faults < 64
