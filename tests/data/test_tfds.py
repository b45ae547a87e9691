"""TFDS' own sets, read from a filled download cache, and sets that do not fit."""

import gzip
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core.download import resource

from gm_keras.data import PreparedData, tfds_source
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError
from tests.data.conftest import SHARED

FEW = 1_000


def idx(file: Path, offset: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(gzip.decompress(file.read_bytes()), "uint8", offset=offset).reshape(shape)


def prepared(name: str, folder: Path, tfds_folders: dict, monkeypatch) -> PreparedData:
    for variable, value in tfds_folders.items():
        monkeypatch.setenv(variable, value)
    prepare(name, DataSettings(), folder / name)
    return PreparedData(folder / name)


@pytest.fixture
def few(monkeypatch):
    """TFDS builds only the first `FEW` examples of each split: building all takes a minute."""
    config = partial(tfds.download.DownloadConfig, max_examples_per_split=FEW)
    monkeypatch.setattr(tfds.download, "DownloadConfig", config)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_images_are_the_official_ones(name: str, tmp_path: Path, tfds_folders, monkeypatch):
    data = prepared(name, tmp_path, tfds_folders, monkeypatch)
    assert data.info["splits"] == {"train": 900, "validation": 100, "test": 1000}
    assert (data.levels, data.num_classes, data.example_shape) == (256, 10, (28, 28, 1))
    for prefix, n, splits in (
        ("train", 60000, ("train", "validation")),
        ("t10k", 10000, ("test",)),
    ):
        images = idx(SHARED / name / f"{prefix}-images-idx3-ubyte.gz", 16, (n, 784))[:FEW]
        labels = idx(SHARED / name / f"{prefix}-labels-idx1-ubyte.gz", 8, (n,))[:FEW]
        expected = Counter(zip(map(bytes, images), labels.tolist(), strict=True))
        found: Counter = Counter()
        for split in splits:
            arrays = data.arrays(split)
            found.update(zip(map(bytes, arrays["image"]), arrays["label"].tolist(), strict=True))
        assert found == expected


@pytest.mark.usefixtures("few")
def test_binarized_mnist_keeps_its_own_validation_split(tmp_path: Path, tfds_folders, monkeypatch):
    data = prepared("binarized_mnist", tmp_path, tfds_folders, monkeypatch)
    assert data.info["splits"] == {"train": FEW, "validation": FEW, "test": FEW}
    assert (data.levels, data.num_classes) == (2, None)
    assert set(np.unique(data.scaled("test"))) == {-1.0, 1.0}
    with np.load(SHARED / "binarized_mnist" / "binarized_mnist_packed.npz") as packed:
        for split, key in (("train", "train"), ("validation", "valid"), ("test", "test")):
            found = np.packbits(data.arrays(split)["image"].reshape(-1, 784), axis=1)
            assert Counter(map(bytes, found)) == Counter(map(bytes, packed[key][:FEW]))


class Sizes(tfds.core.GeneratorBasedBuilder):
    """Colour images of different sizes, as most TFDS sets of photographs have."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(None, None, 3))
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"image": image})
        )

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for n in range(12):
            yield n, {"image": np.full((6 + n, 8, 3), 20 * n, "uint8")}


class Words(tfds.core.GeneratorBasedBuilder):
    """A set that has words under another name than `text`."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        text = tfds.features.FeaturesDict({"words": tfds.features.Text()})
        return tfds.core.DatasetInfo(builder=self, features=text)

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {}

    def _generate_examples(self):
        yield from ()


class Sentences(tfds.core.GeneratorBasedBuilder):
    """Many short texts."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        text = tfds.features.FeaturesDict({"text": tfds.features.Text()})
        return tfds.core.DatasetInfo(builder=self, features=text)

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for n in range(12):
            yield n, {"text": "one more"}


def test_images_of_different_sizes(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(tfds_source.BUILDERS, "sizes", Sizes)
    with pytest.raises(UserError, match="different sizes; add image_size"):
        prepare("sizes", DataSettings(), tmp_path / "sizes")
    prepare("sizes", DataSettings(image_size=4), tmp_path / "sizes")
    data = PreparedData(tmp_path / "sizes")
    assert data.example_shape == (4, 4, 3)
    # Neither a test nor a validation split of its own: both are cut from the rest.
    assert data.info["splits"] == {"train": 10, "validation": 1, "test": 1}
    every = np.concatenate([data.arrays(split)["image"] for split in data.info["splits"]])
    assert sorted(every[:, 0, 0, 0].tolist()) == [20 * n for n in range(12)]


def test_sets_that_cannot_be_used(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(tfds_source.BUILDERS, "words", Words)
    monkeypatch.setitem(tfds_source.BUILDERS, "sentences", Sentences)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    for name, settings, message in (
        ("words", DataSettings(), 'has no "image": it has words'),
        ("sentences", DataSettings(), "has 12 texts in train; only one long text a split"),
        ("digits", DataSettings(image_size=16), "its pixels have 17 levels"),
        ("digitz", DataSettings(), 'no data set "digitz": did you mean "digits"'),
        ("../mnist", DataSettings(), "is no name of a TFDS data set"),
        ("mnist", DataSettings(path="mnist/nosuch"), "TFDS cannot open"),
    ):
        with pytest.raises(UserError, match=message) as error:
            prepare(name, settings, tmp_path / "out")
        assert "\n" not in str(error.value)


def test_a_damaged_build_says_what_to_delete(tmp_path: Path, monkeypatch):
    class Damaged(Sizes, skip_registration=True):
        def download_and_prepare(self, **options) -> None:
            super().download_and_prepare(**options)
            for file in Path(self.data_dir).glob("*tfrecord*"):
                file.write_bytes(file.read_bytes()[:200])

    monkeypatch.setitem(tfds_source.BUILDERS, "damaged", Damaged)
    with pytest.raises(UserError, match=r"cannot be read .*: delete that folder") as error:
        prepare("damaged", DataSettings(image_size=4), tmp_path / "damaged")
    assert "\n" not in str(error.value)


def test_damaged_downloads_and_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch):
    fetched = tmp_path / "fetched"
    monkeypatch.setenv("GM_KERAS_DOWNLOAD_DIR", str(fetched))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "built"))
    for url, info in tfds.builder("mnist", data_dir=tmp_path / "built").url_infos.items():
        file = epath.Path(fetched / "mnist" / resource.get_dl_fname(url, info.checksum))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"not what it should be")
        resource.write_info_file(
            url=url, path=file, dataset_name="mnist", original_fname=info.filename, url_info=info
        )
    with pytest.raises(UserError, match=r'could not build data set "mnist" .*delete its files in'):
        prepare("mnist", DataSettings(), tmp_path / "mnist")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"TFDS cannot (write|open) .*file") as error:
        prepare("mnist", DataSettings(), tmp_path / "mnist")
    assert "\n" not in str(error.value)
