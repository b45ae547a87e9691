"""The same weights, batches and noise give the same training on every backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.systems import names

pytestmark = pytest.mark.parity

ROOT = Path(__file__).parents[2]
BACKENDS = ("jax", "tensorflow", "torch")
# Sums over many values, of any size.
SCALED = ("curve/", "test/", "answer/")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the tests of compiled code have left their trainings; none of an earlier run."""
    kept = os.environ.get("GM_KERAS_TEST_RECORDS")
    return Path(kept) if kept else tmp_path_factory.mktemp("parity")


@pytest.fixture(scope="module")
def trained(folder, request):
    """The training of one system on one backend; all that are missing are trained together."""
    chosen = [
        item.callspec.params["name"]
        for item in request.session.items
        if item.module is request.module
    ]

    def train(backend: str, name: str) -> dict[str, np.ndarray]:
        path = folder / backend / f"{name}.npz"
        if not path.exists():
            missing = [
                each
                for each in dict.fromkeys(chosen)
                if not (folder / backend / f"{each}.npz").exists()
            ]
            command = [sys.executable, "-m", "tests.parity.worker", str(folder / backend), *missing]
            environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr[-4000:]
        return dict(np.load(path))

    return train


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_training_does_not_depend_on_the_backend(trained, backend, name):
    if backend == "torch" and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed: pip install torch==2.13.0")
    expected, actual = trained("jax", name), trained(backend, name)
    assert len(actual) == len(expected)
    worst = {}
    for (key, value), other in zip(expected.items(), actual.values(), strict=True):
        scale = max(1.0, float(np.abs(value).max())) if key.startswith(SCALED) else 1.0
        worst[key] = float(np.max(np.abs(value - other)) / scale) if value.size else 0.0
    wrong = {key: value for key, value in worst.items() if not value <= 1e-4}
    assert not wrong, (
        f"{len(wrong)} of {len(worst)} differ: {sorted(wrong.items(), key=lambda x: -x[1])[:8]}"
    )
