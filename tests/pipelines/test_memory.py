"""What a process of the pipeline has the C library keep, and when it leaves that alone."""

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pipelines import memory

PROGRAM = """
import resource
from pipelines.memory import keep_memory
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
kept = {keep} and keep_memory()
before = faults()
for _ in range(5):
    block = bytearray(2**25 + 2**20)
    block[::4096] = bytes(len(block[::4096]))
    del block
print(kept, faults() - before)
"""


def run(root, keep):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(keep=keep)],
        capture_output=True,
        text=True,
        cwd=root,
        env={k: v for k, v in os.environ.items() if "MALLOC" not in k and k != "GLIBC_TUNABLES"},
        check=True,
    )
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="the C library is not glibc"
)
def test_a_block_that_is_freed_serves_the_next_who_asks(root):
    kept, faults = run(root, keep=True)
    assert kept
    # Each block has more than 8,000 pages, if the system gives small ones.
    assert 2 * faults < run(root, keep=False)[1]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GLIBC_TUNABLES", "glibc.rtld.nns=4:glibc.malloc.hugetlb=1"),
        ("MALLOC_TRIM_THRESHOLD_", "131072"),
    ],
)
def test_the_users_word_stands(monkeypatch, variable, value):
    monkeypatch.setattr(ctypes, "CDLL", None)
    monkeypatch.setenv(variable, value)
    assert not memory.keep_memory()


@pytest.fixture
def told(monkeypatch):
    """A C library by its functions, and what `mallopt` was told."""
    for name in [name for name in os.environ if "MALLOC" in name or "TUNABLES" in name]:
        monkeypatch.delenv(name)
    told = []

    def made(name, most=2**31):
        def mallopt(parameter, value):
            told.append((parameter, value))
            return int(value <= most or parameter != -3)

        library = SimpleNamespace(**{name: None, "mallopt": mallopt})
        monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
        return told

    return made


def test_another_c_library_is_left_alone(told):
    seen = told("another")
    assert not memory.keep_memory()
    assert not seen


def test_an_old_glibc_takes_what_it_can(told):
    seen = told("gnu_get_libc_version", most=2**25)
    assert memory.keep_memory()
    assert seen[:2] == [(-3, 2**30), (-3, 2**25)]
    assert {parameter for parameter, _ in seen} == {-1, -2, -3}


def test_a_glibc_that_refuses_is_told_no_more(told):
    seen = told("gnu_get_libc_version", most=0)
    assert not memory.keep_memory()
    assert {parameter for parameter, _ in seen} == {-3}


def test_a_system_whose_libraries_cannot_be_asked_is_left_alone(monkeypatch):
    def refuse(_):
        raise TypeError

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert not memory.keep_memory()
