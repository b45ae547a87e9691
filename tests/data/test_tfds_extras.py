"""Masks, captions, attributes, videos and voxels of TFDS' data sets."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from gm_keras.data import PreparedData, tfds_source
from gm_keras.fields import captions
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError


class Photographs(tfds.core.GeneratorBasedBuilder):
    """Images of several sizes with masks, captions and attributes, as TFDS' sets of photographs have them."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "segmentation_mask": tfds.features.Image(shape=(None, None, 1)),
            "caption": tfds.features.Text(),
            "attributes": {
                "Smiling": np.bool_,
                "kind": tfds.features.ClassLabel(names=["cat", "dog"]),
                "any number": np.int64,
                "points": tfds.features.Tensor(shape=(2, 2), dtype=np.float32),
                "words": tfds.features.Text(),
                "several": tfds.features.Sequence(np.int64),
            },
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for n in range(12):
            yield (
                n,
                {
                    "image": np.full((8 + n, 8, 3), 20 * n, "uint8"),
                    "segmentation_mask": np.full((8 + n, 8, 1), 1 + n % 3, "uint8"),
                    "caption": "é" * n,
                    "attributes": {
                        "Smiling": n % 2 == 0,
                        "kind": ["cat", "dog"][n % 2],
                        "any number": n,
                        "points": np.full((2, 2), n, "float32"),
                        "words": "no number",
                        "several": list(range(n)),
                    },
                },
            )


class Films(tfds.core.GeneratorBasedBuilder):
    """Videos of several lengths."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        video = tfds.features.Video(shape=(None, 4, 5, 3))
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"video": video})
        )

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for n in range(12):
            yield (
                n,
                {
                    "video": np.arange(2 + n % 3, dtype="uint8")[:, None, None, None]
                    + np.zeros((1, 4, 5, 3), "uint8")
                },
            )


class Solids(tfds.core.GeneratorBasedBuilder):
    """Volumes of bits."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        voxels = tfds.features.Tensor(shape=(3, 4, 5), dtype=np.bool_)
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"voxels": voxels})
        )

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for n in range(12):
            yield n, {"voxels": np.arange(60).reshape(3, 4, 5) % 12 == n}


@pytest.fixture(autouse=True)
def builders(monkeypatch):
    for name, builder in (("photographs", Photographs), ("films", Films), ("solids", Solids)):
        monkeypatch.setitem(tfds_source.BUILDERS, name, builder)


def test_photographs_with_all_that_is_known_of_them(tmp_path: Path):
    prepare("photographs", DataSettings(image_size=4), tmp_path / "photographs")
    data = PreparedData(tmp_path / "photographs")
    assert data.shape("mask") == (4, 4, 1)
    assert data.levels_of("mask") == 4
    arrays, known = data.arrays("train"), data.attributes("train")
    # Neither text, nor what has no length or a name that is none of a file.
    assert set(known) == {"Smiling", "kind", "points"}
    assert data.names("kind") == ["cat", "dog"]
    n = arrays["image"][:, 0, 0, 0] // 20
    assert (arrays["mask"] == (1 + n % 3)[:, None, None, None]).all()
    assert captions.decode(arrays["caption"]) == ["é" * each for each in n]
    np.testing.assert_array_equal(known["Smiling"], n % 2 == 0)
    np.testing.assert_array_equal(known["kind"], n % 2)
    np.testing.assert_array_equal(known["points"][:, 1, 0], n)


def test_videos_are_cut_and_filled_up(tmp_path: Path):
    with pytest.raises(UserError, match="videos have different lengths; add length"):
        prepare("films", DataSettings(), tmp_path / "films")
    prepare("films", DataSettings(length=3), tmp_path / "films")
    data = PreparedData(tmp_path / "films")
    assert data.example_shape == (3, 4, 5, 3)
    frames = set(map(tuple, data.arrays("train")["video"][:, :, 0, 0, 0].tolist()))
    assert frames == {(0, 1, 1), (0, 1, 2)}


def test_voxels(tmp_path: Path):
    prepare("solids", DataSettings(), tmp_path / "solids")
    data = PreparedData(tmp_path / "solids")
    assert (data.primary, data.example_shape, data.levels) == ("voxels", (3, 4, 5, 1), 2)
    assert (data.arrays("train")["voxels"].sum(axis=(1, 2, 3, 4)) == 5).all()
