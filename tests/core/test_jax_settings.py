"""What gm_keras sets on JAX by itself, and that the user's word stands above it."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, gm_keras, jax
from gm_keras.backend import jax as backend
print(json.dumps([jax.config.jax_compilation_cache_dir, backend.compiler_options()]))
"""


def settings(tmp_path, **variables):
    """The cache's folder and the compiler's options in a fresh process."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_")}
    environment.pop("XLA_FLAGS", None)
    environment |= {"KERAS_BACKEND": "jax", "XDG_CACHE_HOME": str(tmp_path), **variables}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_compiled_code_is_kept_in_the_users_cache(tmp_path):
    folder, options = settings(tmp_path)
    assert folder.startswith(str(tmp_path / "gm_keras" / "jax"))
    assert options


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"JAX_COMPILATION_CACHE_DIR": "elsewhere"}, "elsewhere"),
        ({"JAX_ENABLE_COMPILATION_CACHE": "false"}, None),
        ({"XDG_CACHE_HOME": "/dev/null/no"}, None),
    ],
)
def test_another_folder_none_and_one_that_cannot_be(tmp_path, variables, expected):
    assert settings(tmp_path, **variables)[0] == expected


def test_the_users_flags_stand(tmp_path):
    flag = "--xla_cpu_experimental_ynn_fusion_type=dot"
    assert settings(tmp_path, XLA_FLAGS=flag)[1] == {}
