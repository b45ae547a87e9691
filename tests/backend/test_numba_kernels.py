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
        backend.name not in ("jax", "tensorflow") or not numba_kernels.wanted(),
        reason="needs the extra native, and not GM_KERAS_NATIVE=0",
    ),
]

PROGRAM = """
import numpy as np
from gm_keras import backend
from gm_keras.layers.normalization import GroupNormalization
layer = GroupNormalization(4, activation="silu")
layer.build((None, 64, 64, 32))
call = backend.compile_function(layer, layer.variables)
outputs = np.asarray(call(np.random.default_rng(0).normal(size=(4, 64, 64, 32)).astype("float32")))
print(float(np.abs(outputs).sum()))
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
    return float(done.stdout)


def test_are_compiled_where_there_is_no_place_to_keep_them():
    # Of the places that numba looks for, one that only packages in an archive have.
    nowhere = run(NUMBA_CACHE_LOCATOR_CLASSES="ZipCacheLocator")
    assert nowhere == pytest.approx(run(), rel=1e-6)


def test_are_compiled_where_the_disk_is_full(tmp_path):
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
    assert full == pytest.approx(run(), rel=1e-6)
    assert not [each for each in (tmp_path / "cache").rglob("*.nbc") if each.stat().st_size]
