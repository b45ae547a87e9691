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
