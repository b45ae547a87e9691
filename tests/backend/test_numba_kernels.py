"""Kernels that numba compiles, where it may not keep them."""

import pytest

from gm_keras import backend
from gm_keras.backend import numba_kernels
from tests.backend import children

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(
        backend.name != "jax" or not numba_kernels.wanted(),
        reason="needs JAX, the extra native, and not GM_KERAS_NATIVE=0",
    ),
]

PROGRAM = """
import hashlib
import numpy as np
from gm_keras import backend
from gm_keras.layers.normalization import GroupNormalization
layer = GroupNormalization(4, activation="silu")
layer.build((None, 64, 64, 32))
inputs = np.random.default_rng(0).normal(size=(4, 64, 64, 32)).astype("float32")
outputs = np.asarray(backend.compile_function(layer, layer.variables)(inputs))
print(hashlib.sha256(outputs.tobytes()).hexdigest())
"""


# As where nothing is left of the disk.
FULL = """
import builtins, errno, io
open_ = builtins.open
class Full(io.FileIO):
    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")
def opened(name, mode="r", *rest, **options):
    if "w" in mode and ".nb" in str(name):
        return Full(name, "w")
    return open_(name, mode, *rest, **options)
builtins.open = opened
"""


def under(variables, before=""):
    """The program, in an environment that numba reads when it is imported."""
    return f"import os, sys\nassert 'numba' not in sys.modules\nos.environ.update({variables!r})\n{before}{PROGRAM}"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What processes compute that keep what they compile, or cannot; and the folder for each."""
    folder = tmp_path_factory.mktemp("kept")
    kept = {"NUMBA_CACHE_DIR": str(folder / "kept")}
    sources = {
        "kept": under(kept),
        "next": under(kept),
        # Of the places that numba looks for, one that only packages in an archive have.
        "no place": under({"NUMBA_CACHE_LOCATOR_CLASSES": "ZipCacheLocator"}),
        "full": under({"NUMBA_CACHE_DIR": str(folder / "full")}, FULL),
    }
    return dict(zip(sources, children.run(*sources.values()), strict=True)), folder


def test_are_compiled_where_there_is_no_place_to_keep_them(results):
    assert results[0]["no place"] == results[0]["kept"]


def test_the_process_that_compiles_computes_the_same_bits_as_the_next(results):
    printed, folder = results
    assert printed["next"] == printed["kept"] != ""
    assert list((folder / "kept").rglob("*.nbc"))


def test_are_compiled_where_the_disk_is_full(results):
    """Where numba fails to write what it compiled."""
    printed, folder = results
    assert printed["full"] == printed["kept"]
    assert not [each for each in (folder / "full").rglob("*.nbc") if each.stat().st_size]
