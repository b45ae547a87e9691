"""What the tests of data share: a prepared set made of arrays, and TFDS' downloads without a network."""

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gm_keras.data import PreparedData
from pipelines.prepare import prepare
from pipelines.settings import DataSettings

SHARED = Path(__file__).parents[3] / "shared" / "data"

Make = Callable[..., PreparedData]


@pytest.fixture
def make_data(tmp_path: Path) -> Make:
    """`make_data(image=..., label=...)` prepares arrays as the data set `own`."""

    def make(validation: float = 0.1, test: float = 0.1, **arrays: np.ndarray) -> PreparedData:
        np.savez(tmp_path / "own.npz", **arrays)
        settings = DataSettings(source="folder", path="own.npz", validation=validation, test=test)
        prepare("own", settings, tmp_path / "data" / "own", tmp_path)
        return PreparedData(tmp_path / "data" / "own")

    return make


@pytest.fixture(scope="session")
def tfds_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables that make TFDS read a download cache filled from the files of the project."""
    script = SHARED / "seed_tfds_cache.py"
    if not script.is_file():
        pytest.skip(f"no {script}: the archives of MNIST cannot be had without a network")
    downloads = tmp_path_factory.mktemp("downloads")
    names = ["mnist", "fashion_mnist", "binarized_mnist", "tiny_shakespeare", "spoken_digit"]
    main = runpy.run_path(str(script))["main"]
    assert main(["--download-dir", str(downloads), "--link", *names]) == 0
    return {
        "GM_KERAS_DOWNLOAD_DIR": str(downloads),
        "TFDS_DATA_DIR": str(tmp_path_factory.mktemp("tfds")),
    }
