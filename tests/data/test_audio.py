"""Recordings: one length, 16 bits."""

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from gm_keras.data import Batches, PreparedData, tfds_source
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError

WAVES = np.sin(np.arange(20 * 50).reshape(20, 50) / 3.0)


def every(data: PreparedData) -> np.ndarray:
    return np.concatenate([data.scaled(split) for split in data.info["splits"]])


def test_floats_and_integers(make_data):
    data = make_data(audio=WAVES, label=np.arange(20) % 2)
    assert (data.primary, data.example_shape, data.levels) == ("audio", (50,), None)
    assert data.arrays("train")["audio"].dtype == np.int16
    scaled = every(data)
    assert scaled.dtype == np.float32
    order = np.lexsort(scaled.T), np.lexsort(WAVES.T)
    np.testing.assert_allclose(scaled[order[0]], WAVES[order[1]], atol=2.0**-15)
    integers = make_data(audio=(WAVES * 30000).astype("int16"))
    assert (
        np.abs(every(integers)).max()
        == np.float32(np.abs((WAVES * 30000).astype(int)).max()) / 2**15
    )
    batch = Batches(data, "train", 4)[0]
    assert (batch["audio"].dtype, batch["audio"].shape) == (np.float32, (4, 50))
    assert batch["label"].dtype == np.int32


def test_full_scale_stays_below_one(make_data):
    loud = np.where(np.arange(50) % 2, 1.0, -1.0) * np.ones((20, 1))
    scaled = every(make_data(audio=loud))
    assert (scaled.min(), scaled.max()) == (-1.0, 1.0 - 2.0**-15)


@pytest.mark.parametrize("length", [30, 60])
def test_a_length(tmp_path: Path, length: int):
    np.savez(tmp_path / "a.npz", audio=np.tile(WAVES[:1], (20, 1)))
    settings = DataSettings(source="folder", path="a.npz", length=length)
    prepare("a", settings, tmp_path / "a", tmp_path)
    data = PreparedData(tmp_path / "a")
    assert data.example_shape == (length,)
    np.testing.assert_allclose(data.scaled("test")[0, :30], WAVES[0, :30], atol=2.0**-15)
    assert not data.scaled("test")[:, 50:].any()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"audio": WAVES * 2}, r"example 0 of train: samples must be floats in \[-1, 1\]"),
        ({"audio": WAVES * np.nan}, r"example 0 of train: .* the largest is nan"),
        ({"audio": WAVES.astype(int)}, "audio is int16, or floats .*, not int64"),
        ({"audio": WAVES[0]}, r"of shape \(n, samples\), not float64 of shape \(50,\)"),
        ({"audio": WAVES, "x": WAVES}, "has audio and image .or x. for train: a data set has one"),
        ({"audio": WAVES, "test_tokens": WAVES.astype(int)}, "the splits differ: train has audio"),
        ({"tokens": WAVES}, r"tokens are integers of shape \(n, length\), not float64"),
        ({"tokens": -np.ones((20, 3), int)}, "tokens are integers from 0 on, .*; found -1"),
        ({"source": np.ones((20, 3, 3), "uint8")}, "has a source but no target for train"),
        (
            {"source": np.ones((20, 3, 3), "uint8"), "target": np.ones((19, 3, 3), "uint8")},
            "train has 20 in source and 19 in target: each needs its partner",
        ),
        (
            {"source": np.ones((20, 3, 3)), "target": np.ones((20, 3, 3), "uint8")},
            r"own.npz \(train\): images of shape .* must be uint8",
        ),
        (
            {"source": np.ones((20, 3), "uint8"), "target": np.ones((20, 3, 3), "uint8")},
            "images have the shape",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(make_data, arrays: dict, message: str):
    with pytest.raises(UserError, match=message) as error:
        make_data(**arrays)
    assert "\n" not in str(error.value)


def test_options_that_do_not_go_with_an_array(tmp_path: Path):
    np.savez(tmp_path / "a.npz", audio=WAVES)
    np.savez(tmp_path / "i.npz", image=np.ones((20, 3, 3), "uint8"))
    for name, options, message in (
        ("a.npz", {"image_size": 4}, "image_size does not go with audio; remove it"),
        ("i.npz", {"length": 4}, "length does not go with image; remove it"),
        ("i.npz", {"level": "bytes"}, "level is for texts; remove it"),
    ):
        with pytest.raises(UserError, match=message):
            prepare(
                "a", DataSettings(source="folder", path=name, **options), tmp_path / "o", tmp_path
            )


def test_tokens_of_one_length(make_data):
    tokens = np.arange(60).reshape(20, 3) * 10
    data = make_data(tokens=tokens)
    assert (data.primary, data.example_shape, data.levels) == ("tokens", (3,), 591)
    assert data.info["stream"] is False
    assert "vocabulary" not in data.info
    assert data.arrays("train")["tokens"].dtype == np.uint16
    np.testing.assert_array_equal(np.sort(every(data), axis=0), tokens)
    batch = Batches(data, "train", 4)[0]
    assert (batch["tokens"].dtype, batch["tokens"].shape) == (np.int32, (4, 3))


class Tones(tfds.core.GeneratorBasedBuilder):
    """Recordings of different lengths."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "audio": tfds.features.Audio(sample_rate=100),
            "label": tfds.features.ClassLabel(names=["low", "high"]),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for n in range(15):
            yield n, {"audio": np.full(5 + n, 1000 * n), "label": n % 2}


def test_recordings_of_tfds(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(tfds_source.BUILDERS, "tones", Tones)
    with pytest.raises(UserError, match=r"different lengths; add length .*100 a second") as error:
        prepare("tones", DataSettings(), tmp_path / "tones")
    assert "\n" not in str(error.value)
    prepare("tones", DataSettings(length=10), tmp_path / "tones")
    data = PreparedData(tmp_path / "tones")
    assert (data.example_shape, data.num_classes, data.info["sample_rate"]) == ((10,), 2, 100)
    for split in data.info["splits"]:
        for audio, label in zip(*data.arrays(split).values(), strict=True):
            n = int(audio[0]) // 1000
            assert label == n % 2
            np.testing.assert_array_equal(audio, 1000 * n * (np.arange(10) < 5 + n))


def test_louder_than_sixteen_bits(tmp_path: Path, monkeypatch):
    class Loud(Tones, skip_registration=True):
        def _generate_examples(self):
            for n in range(15):
                yield n, {"audio": np.full(5, 70000), "label": 0}

    monkeypatch.setitem(tfds_source.BUILDERS, "loud", Loud)
    with pytest.raises(UserError, match="recording 0 of train: samples of more than 16 bits"):
        prepare("loud", DataSettings(length=10), tmp_path / "loud")


def test_a_class_of_tfds_without_examples(tmp_path: Path, monkeypatch):
    class High(Tones, skip_registration=True):
        def _generate_examples(self):
            for n in range(15):
                yield n, {"audio": np.full(5, 1000 * n), "label": 1}

    monkeypatch.setitem(tfds_source.BUILDERS, "high", High)
    with pytest.raises(UserError, match=r'data.high: 1 of 2 classes have no example: 0 \("low"\)'):
        prepare("high", DataSettings(length=10), tmp_path / "high")
    assert not (tmp_path / "high").exists()
    prepare("high", DataSettings(length=10, renumber=True), tmp_path / "high")
    data = PreparedData(tmp_path / "high")
    assert data.info["class_names"] == ["high"]
    assert not data.arrays("train")["label"].any()


@pytest.mark.parametrize(
    ("error", "needed"),
    [
        (
            ModuleNotFoundError("Error: No module named 'pydub.utils'\nFailed ..."),
            "the package pydub",
        ),
        (FileNotFoundError(2, "No such file or directory: 'ffprobe'"), "the program ffmpeg"),
    ],
)
def test_what_tfds_needs_besides(tmp_path: Path, monkeypatch, error: Exception, needed: str):
    class Needy(Tones, skip_registration=True):
        def _split_generators(self, dl_manager) -> dict:
            raise error

    monkeypatch.setitem(tfds_source.BUILDERS, "needy", Needy)
    message = f'TFDS needs {needed} for data set "needy"; install it'
    with pytest.raises(UserError, match=f"^{message}$"):
        prepare("needy", DataSettings(length=10), tmp_path / "needy")


@pytest.mark.slow
def test_spoken_digits(tmp_path: Path, tfds_folders, monkeypatch):
    pytest.importorskip("pydub")
    for variable, value in tfds_folders.items():
        monkeypatch.setenv(variable, value)
    assert os.environ["TFDS_DATA_DIR"]
    prepare("spoken_digit", DataSettings(length=2048), tmp_path / "spoken")
    data = PreparedData(tmp_path / "spoken")
    assert data.info["splits"] == {"train": 2000, "validation": 250, "test": 250}
    assert (data.example_shape, data.num_classes, data.info["sample_rate"]) == ((2048,), 10, 8000)
    labels = np.concatenate([data.arrays(split)["label"] for split in data.info["splits"]])
    assert np.bincount(labels).tolist() == [250] * 10
    assert 0.05 < np.abs(data.scaled("train")).max() < 1.0
