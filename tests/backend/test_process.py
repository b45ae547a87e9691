"""What gm_keras leaves alone: the libraries of others, and all that a process shares with them."""

import json
import os
import subprocess
import sys

import pytest

from gm_keras import backend
from tests.backend import function_tables

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
PARTS = (
    "affinity",
    "backend",
    "calls",
    "environment",
    "floating_point",
    "hooks",
    "interpreter",
    "keras",
    "limits",
    "locale",
    "logging",
    "random",
    "signals",
    "threads",
    "warnings",
)


@pytest.fixture(scope="module")
def seen(root):
    """What `tests.backend.process_state` prints."""
    environment = {**os.environ, "KERAS_BACKEND": backend.name}
    environment["GM_KERAS_TESTS_CACHE"] = environment.pop("JAX_COMPILATION_CACHE_DIR", "")
    done = subprocess.run(
        [sys.executable, "-m", "tests.backend.process_state"],
        capture_output=True,
        text=True,
        cwd=root,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_every_part_is_looked_at(seen):
    assert sorted(seen["states"]["before"]) == list(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_an_import_changes_nothing_for_others(seen, part):
    assert seen["states"]["imported"][part] == seen["states"]["before"][part]


# Keras draws the seeds of weights and noise from Python's generator.
@pytest.mark.parametrize("part", [part for part in PARTS if part != "random"])
def test_nor_does_a_training(seen, part):
    assert seen["states"]["trained"][part] == seen["states"]["before"][part]


@pytest.mark.skipif(not function_tables.AVAILABLE, reason="reads the tables of Linux on x86-64")
@pytest.mark.parametrize("when", ["imported", "trained"])
def test_libraries_call_the_functions_that_they_called_before(seen, when):
    """And none of them leads to code that is in no library, as that of a just-in-time compiler."""
    backends = {"jax": "libjax_common.so", "tensorflow": "libtensorflow_cc.so"}
    large = [name for name, entries in seen["libraries"].items() if entries > 1000]
    assert backend.name not in backends or any(
        name.startswith(backends[backend.name]) for name in large
    )
    assert any(name.startswith("_multiarray_umath") for name in seen["libraries"])
    assert seen["moved"][when] == []
