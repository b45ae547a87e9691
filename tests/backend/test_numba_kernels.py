"""Kernels that numba compiles, where it may not keep them."""

import os
import subprocess
import sys

import pytest

from gm_keras import backend
from gm_keras.backend import numba_kernels

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
def squares(inputs):
    return layer(inputs) ** 2
def slopes(inputs):
    return backend.gradient(squares, inputs, layer.variables)
results = [np.asarray(backend.compile_function(f, layer.variables)(inputs)) for f in (layer, slopes)]
print(hashlib.sha256(b"".join(each.tobytes() for each in results)).hexdigest())
"""


def run(**variables):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend.name, **variables},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What a process computes that keeps what it compiled, and the folder where it does."""
    folder = tmp_path_factory.mktemp("kept")
    return run(NUMBA_CACHE_DIR=str(folder)), folder


def test_are_compiled_where_there_is_no_place_to_keep_them(expected):
    # Of the places that numba looks for, one that only packages in an archive have.
    assert run(NUMBA_CACHE_LOCATOR_CLASSES="ZipCacheLocator") == expected[0]


def test_the_process_that_compiles_computes_the_same_bits_as_the_next(expected):
    first, folder = expected
    assert run(NUMBA_CACHE_DIR=str(folder)) == first
    assert list(folder.rglob("*.nbc"))


def test_are_compiled_where_the_disk_is_full(tmp_path, expected):
    """Where numba fails to write what it compiled, as where nothing is left of the disk."""
    (tmp_path / "sitecustomize.py").write_text(
        "import builtins, errno, io\n"
        "open_ = builtins.open\n"
        "class Full(io.FileIO):\n"
        "    def write(self, data):\n"
        "        raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "def opened(name, mode='r', *rest, **options):\n"
        "    if 'w' in mode and '.nb' in str(name):\n"
        "        return Full(name, 'w')\n"
        "    return open_(name, mode, *rest, **options)\n"
        "builtins.open = opened\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    full = run(PYTHONPATH=path, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert full == expected[0]
    assert not [each for each in (tmp_path / "cache").rglob("*.nbc") if each.stat().st_size]
