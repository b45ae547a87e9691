"""Where the processes of the pipeline keep what JAX compiled, and that the user's word stands above it."""

import os

import pytest

from pipelines.running.compiled import keep_compiled

FOLDER = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """The user's cache folder; no word of the user on JAX's, and none that is left behind."""
    monkeypatch.setattr(os, "environ", {k: v for k, v in os.environ.items() if "JAX_" not in k})
    os.environ["XDG_CACHE_HOME"] = str(tmp_path)
    return tmp_path


def test_in_the_users_cache(cache):
    keep_compiled()
    assert os.environ[FOLDER].startswith(str(cache / "gm_keras" / "jax"))
    assert int(os.environ["JAX_COMPILATION_CACHE_MAX_SIZE"]) == 4 * 2**30
    assert float(os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"]) == 0.2


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (FOLDER, "elsewhere", "elsewhere"),
        (FOLDER, "", ""),
        ("JAX_ENABLE_COMPILATION_CACHE", "false", None),
        ("XDG_CACHE_HOME", "/dev/null/no", None),
    ],
)
def test_another_folder_none_and_one_that_cannot_be(variable, value, expected):
    os.environ[variable] = value
    before = dict(os.environ)
    keep_compiled()
    assert os.environ.get(FOLDER) == expected
    assert os.environ == before


def test_what_else_the_user_says_stands():
    os.environ["JAX_COMPILATION_CACHE_MAX_SIZE"] = "1000"
    keep_compiled()
    assert os.environ["JAX_COMPILATION_CACHE_MAX_SIZE"] == "1000"
