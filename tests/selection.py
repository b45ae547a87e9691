"""Which tests are of which system: `make test SYSTEM=vae` and `make test FAMILY=gan` run those.

`python -m tests.selection` prints the Makefile's goals that run everything, each a process; with the name of a backend,
those of its processes. TensorFlow keeps much of what it has compiled until a process ends, so none takes all systems.
"""

import math
import os
import re
import sys
from functools import cache
from pathlib import Path

import pytest

from gm_keras import registry

#: The family of each system.
FAMILIES = {name: family for name, (family, _) in registry.SYSTEMS.items()}
#: The name, for `SYSTEM`, of all tests that are of no system.
REST = "none"
#: The marks of the tests that take a process of their own.
LEARNING = "backend and learns"
_NAMED = re.compile("[\"'](" + "|".join(FAMILIES) + ")[\"'~]")
#: How many systems one process takes on a backend: JAX drops what it has compiled.
MOST = {"jax": 12, "tensorflow": 4}


@cache
def chosen() -> frozenset[str | None]:
    """The systems that the environment names by `SYSTEM` or `FAMILY`; empty where everything is meant.

    None among them stands for what is of no system.

    Raises:
        pytest.UsageError: If there is no such system or family.
    """
    systems = os.environ.get("SYSTEM", "").replace(",", " ").split()
    wanted = os.environ.get("FAMILY", "").replace(",", " ").split()
    for kind, names, known in (
        ("SYSTEM", systems, {*FAMILIES, REST}),
        ("FAMILY", wanted, set(FAMILIES.values())),
    ):
        for name in names:
            if name not in known:
                there = ", ".join(sorted(known))
                raise pytest.UsageError(f"{kind}={name}: expected one of {there}")
    named = {None if name == REST else name for name in systems}
    return frozenset(named | {name for name, family in FAMILIES.items() if family in wanted})


def parts(backend: str) -> list[str]:
    """The values of `SYSTEM` of the processes of a backend: all that was chosen, or everything."""
    wanted = chosen() or {None, *FAMILIES}
    names = sorted(wanted - {None})
    rest = [REST] if None in wanted else []
    count = math.ceil(len(names) / MOST[backend])
    return rest + [",".join(names[start::count]) for start in range(count)]


def goals(*backends: str) -> list[str]:
    """The Makefile's goals that run the tests of these backends, or of all and what knows none.

    The longest come first: at the end no process runs alone for long.
    """
    found = {backend: [f"{backend}-of-{part}" for part in parts(backend)] for backend in MOST}
    if backends:
        learning = ["learning"] if "jax" in backends else []
        return [*(goal for backend in backends for goal in found[backend]), *learning]
    first, rest = [], []
    for each in found.values():
        has_rest = each[:1] and each[0].endswith(f"-of-{REST}")
        first, rest = first + each[:has_rest], rest + each[has_rest:]
    return ["test-once", *first, "learning", *rest, "torch-trainings"]


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def may_be_of_a_backend(path: Path) -> bool:
    """Whether a file can have tests that run on each backend, by its text: importing all files takes a while."""
    return "mark.backend" in _text(path)


def may_be_of_a_system(path: Path) -> bool:
    """Whether a file can have tests of some system, by its name and text."""
    text = _text(path)
    named = path.stem.removeprefix("test_") in FAMILIES
    return named or "names()" in text or "mark.system" in text or _NAMED.search(text) is not None


def left_out(path: Path, marks: str) -> bool:
    """Whether no test of a file can be among those that were asked for.

    Args:
        path: Of a file of tests.
        marks: The expression of markers that pytest was given.
    """
    if marks.startswith("backend") and not may_be_of_a_backend(path):
        return True
    if marks == LEARNING and "mark.learns" not in _text(path):
        return True
    return bool(chosen()) and None not in chosen() and not may_be_of_a_system(path)


def system_of(item: pytest.Item) -> str | None:
    """The system that a test is of: by its marker, a parameter, or the name of its file; None for what is of none."""
    if marker := item.get_closest_marker("system"):
        return marker.args[0]
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    for value in parameters:
        if isinstance(value, str) and value.split("~")[0] in FAMILIES:
            return value.split("~")[0]
    name = item.path.stem.removeprefix("test_")
    return name if name in FAMILIES else None


def runs_with(item: pytest.Item, backend: str) -> bool:
    """Whether a test is run with a backend: what knows none runs with the one that its marker names."""
    if item.get_closest_marker("learns"):
        return backend == "jax"
    marker = item.get_closest_marker("once")
    return marker is None or marker.args[0] == backend


if __name__ == "__main__":
    print(*goals(*sys.argv[1:]), sep="\n")
