"""Sets that are larger than the memory: what a metric holds does not grow with the number of rows."""

import os
import subprocess
import sys

import numpy as np
import pytest

from gm_keras.metrics import frechet_distance, kernel_distance, precision_recall, psnr, streams

RNG = np.random.default_rng(0)

# Prints the peak of the resident memory, in bytes, after every metric has seen 2,000 and then 40,000 rows of two memory
# maps: the first peak holds what libraries and blocks take.
MEMORY = """
import sys
from pathlib import Path
import numpy as np
from gm_keras import metrics
from gm_keras.metrics import streams

streams.BLOCK_ROWS = 200
streams.CHUNK_BYTES = streams.BLOCK_BYTES = 2**20
for rows in (2_000, 40_000):
    real, generated, images = (np.load(path, mmap_mode="r") for path in sys.argv[1:])
    real, generated, images = real[:rows], generated[:rows], images[:rows]
    metrics.frechet_distance(real, generated)
    metrics.kernel_distance(real, generated)
    metrics.precision_recall(real, generated)
    metrics.density_coverage(real, generated)
    metrics.authenticity(real, generated[:200])
    metrics.mmd(real, generated)
    metrics.sliced_wasserstein(real, generated, projections=4)
    metrics.mode_coverage(real, generated[:3], 1.0)
    metrics.inception_score(real)
    metrics.psnr(images, images)
    # Not getrusage: its peak is that of the process that started this one, if that was larger.
    status = Path("/proc/self/status").read_text()
    print(1024 * int(status.split("VmHWM:")[1].split()[0]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_rows(tmp_path):
    for name in ("real", "generated"):
        x = RNG.uniform(size=(40_000, 256)).astype("float32")
        np.save(tmp_path / f"{name}.npy", x / x.sum(axis=1, keepdims=True))
    np.save(tmp_path / "images.npy", RNG.integers(0, 256, size=(40_000, 32, 32, 1), dtype="uint8"))
    files = [tmp_path / f"{name}.npy" for name in ("real", "generated", "images")]
    # One thread: threads that wait for each other cost more than these small products.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *files],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    few, many = map(int, done.stdout.split())
    # Of each file 38 MB more were read.
    assert many - few < 16e6


@pytest.mark.parametrize("budget", [2**11, 2**20])
def test_blocks_are_every_nth_row(budget, monkeypatch):
    # Once too large for the memory, so that they are views, and once gathered in pieces of 16 rows.
    monkeypatch.setattr(streams, "BLOCK_ROWS", 30)
    monkeypatch.setattr(streams, "BLOCK_BYTES", budget)
    monkeypatch.setattr(streams, "CHUNK_BYTES", 16 * 8 * 20)
    real, generated = RNG.normal(size=(100, 20)), RNG.normal(size=(70, 20))
    pairs = []
    for i, x, j, y in streams.pairs_of_blocks(real, generated):
        pairs.append((i, j))
        np.testing.assert_array_equal(x, real[i::4])
        np.testing.assert_array_equal(y, generated[j::3])
    assert pairs == [(0, 0), (1, 0), (2, 1), (3, 2)]


def test_a_memory_map_gives_what_the_array_gives(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "BLOCK_ROWS", 100)
    real, generated = RNG.normal(size=(300, 8)), RNG.normal(size=(300, 8)) + 0.3
    np.save(tmp_path / "real.npy", real)
    mapped = np.load(tmp_path / "real.npy", mmap_mode="r")
    for function in (frechet_distance, kernel_distance, precision_recall):
        assert function(mapped, generated) == function(real, generated)
        assert function(mapped[::-2], generated) == function(real[::-2], generated)


def test_changes_of_a_copy_on_write_map_are_kept(tmp_path):
    np.save(tmp_path / "real.npy", RNG.normal(size=(50, 3)))
    mapped = np.load(tmp_path / "real.npy", mmap_mode="c")
    mapped += 5.0
    changed = np.array(mapped)
    frechet_distance(mapped, changed)
    np.testing.assert_array_equal(mapped, changed)


def test_images_of_a_memory_map(tmp_path):
    images = RNG.integers(0, 256, size=(9, 16, 16, 1), dtype="uint8")
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(psnr(mapped, images[::-1]), psnr(images, images[::-1]))
