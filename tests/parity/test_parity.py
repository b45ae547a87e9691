"""The same weights, batches and noise give the same training on every backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    results = {}

    def train(backend: str) -> dict[str, np.ndarray]:
        if backend not in results:
            path = tmp_path_factory.mktemp("parity") / f"{backend}.npz"
            environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
            command = [sys.executable, "-m", "tests.parity.worker", str(path)]
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr[-4000:]
            results[backend] = dict(np.load(path))
        return results[backend]

    return train


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_training_does_not_depend_on_the_backend(trained, backend):
    if backend == "torch" and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed: pip install torch==2.13.0")
    expected, actual = trained("jax"), trained(backend)
    assert len(actual) == len(expected)
    worst = {}
    for (key, value), other in zip(expected.items(), actual.values(), strict=True):
        scale = 1.0 if "/curve/" not in key else max(1.0, float(np.abs(value)))
        worst[key] = float(np.max(np.abs(value - other)) / scale) if value.size else 0.0
    wrong = {key: value for key, value in worst.items() if not value <= 1e-4}
    assert not wrong, (
        f"{len(wrong)} of {len(worst)} differ: {sorted(wrong.items(), key=lambda x: -x[1])[:8]}"
    )
