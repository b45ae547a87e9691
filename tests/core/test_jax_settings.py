"""What gm_keras tells XLA by itself, and that the user's word stands above it."""

import json
import os
import subprocess
import sys

SCRIPT = """
import json, gm_keras, jax
from gm_keras.backend import jax as backend
print(json.dumps(backend.compiler_options()))
"""


def settings(**variables):
    """The compiler's options in a fresh process."""
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    environment |= {"KERAS_BACKEND": "jax", **variables}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_fusions_leave_convolutions_alone():
    assert settings()


def test_the_users_flags_stand():
    assert settings(XLA_FLAGS="--xla_cpu_experimental_ynn_fusion_type=dot") == {}
