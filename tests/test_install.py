"""Which Python `make venv` takes; stand-ins of Pythons say which version they are, and that they were asked for more."""

import os
import shutil
import subprocess

import pytest


@pytest.fixture
def install(root, tmp_path):
    """Calls the script of a project where the Pythons of `versions`, by their names, are all that there is."""
    shutil.copytree(root / "requirements", tmp_path / "requirements")

    def run(versions, *asked):
        for name, version in versions.items():
            python = tmp_path / name
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_text(
                f'#!/bin/sh\n[ "$1" = -c ] && echo {version} || {{ echo "{name} $*" >&2; exit 7; }}\n'
            )
            python.chmod(0o755)
        done = subprocess.run(
            ["/bin/sh", tmp_path / "requirements" / "install.sh", "venv", *asked],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PATH": os.pathsep.join([str(tmp_path / "bin"), os.defpath])},
        )
        return done.returncode, done.stderr

    return run


NEITHER = {"bin/python3": "3.10", "bin/python3.13": "3.14"}


def test_the_active_python_is_taken(install):
    versions = NEITHER | {"bin/python3": "3.12", "bin/python3.13": "3.13"}
    assert install(versions) == (7, "bin/python3 -m venv venv\n")


def test_else_the_newest_that_is_supported(install):
    versions = NEITHER | {"bin/python3.11": "3.11", "bin/python3.12": "3.12"}
    assert install(versions) == (7, "bin/python3.12 -m venv venv\n")


def test_an_environment_keeps_its_python(install):
    versions = {"venv/bin/python": "3.11", "bin/python3": "3.13"}
    code, errors = install(versions)
    assert (code, errors.split()[0]) == (7, "venv/bin/python"), (
        "it is asked to install, not replaced"
    )
    assert "-m venv" not in errors


def test_an_environment_of_another_python_is_made_anew(install, tmp_path):
    versions = {"venv/bin/python": "3.11", "bin/python3.13": "3.13"}
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    assert install(versions, "python3.13") == (7, "bin/python3.13 -m venv --clear venv\n")


def test_a_folder_of_something_else_is_not_cleared(install):
    versions = {"venv/data": "0", "bin/python3.13": "3.13"}
    assert install(versions, "python3.13") == (7, "bin/python3.13 -m venv venv\n")


@pytest.mark.parametrize("asked", ["python3", "python3.9", ""])
def test_any_other_python_is_one_line(install, tmp_path, asked):
    others = NEITHER | dict.fromkeys(("bin/python3.12", "bin/python3.11"), "3.10")
    code, errors = install(others, asked)
    assert code == 1
    assert errors.startswith(f"error: {asked or 'what is found here'} is none of Python 3.11, 3.12")
    assert errors.endswith("name one with: make PYTHON=/path/to/python3.13\n")
    assert errors.count("\n") == 1
    assert not (tmp_path / "venv").exists()
