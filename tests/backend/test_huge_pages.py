"""Large arrays in huge pages: that they lie there, and that nothing else changes."""

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gm_keras import backend
from gm_keras.backend import huge_pages, numba_kernels

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(
        backend.name not in ("jax", "tensorflow")
        or not numba_kernels.wanted()
        or not huge_pages.available(),
        reason="needs the extra native, not GM_KERAS_NATIVE=0, and a system with huge pages",
    ),
]

PROGRAM = """
import numpy as np
from keras import ops
from gm_keras import backend
square = backend.compile_function(lambda x: ops.matmul(ops.transpose(x), x), [])
result = square(np.random.default_rng(0).normal(size=(16, 4096)).astype("float32"))
sum = float(np.abs(np.asarray(result)).sum())
for line in open("/proc/self/smaps_rollup"):
    if line.startswith("AnonHugePages"):
        print(int(line.split()[1]) // 1024, sum)
"""


def run(wanted):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend.name, "GM_KERAS_NATIVE": wanted},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    megabytes, value = done.stdout.split()
    return int(megabytes), float(value)


def test_a_large_result_lies_in_huge_pages():
    if "[always]" in (huge_pages._SETTINGS / "enabled").read_text():
        pytest.skip("this system gives them to those who do not ask too")
    huge, value = run("1")
    small, same = run("0")
    assert value == pytest.approx(same, rel=1e-4)
    # It has 64 MB.
    assert huge >= small + 60


@pytest.fixture
def allocate():
    from gm_keras.backend.huge_pages import blocks

    arguments = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t
    return ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(blocks.ADDRESSES[b"posix_memalign"])


@pytest.mark.parametrize("length", [1, 100, 2**22 - 1, 2**22, 2**26 + 1])
@pytest.mark.parametrize("alignment", [8, 64, 2**23])
def test_a_block_is_aligned_whole_and_can_be_freed(allocate, length, alignment):
    block = ctypes.c_void_p()
    assert allocate(ctypes.byref(block), alignment, length) == 0
    assert block.value % alignment == 0
    ctypes.memset(block, 7, length)
    assert ctypes.string_at(block.value + length - 1, 1) == b"\x07"
    libc = ctypes.CDLL(None)
    libc.free(block)


def test_what_the_system_refuses_is_refused(allocate):
    block = ctypes.c_void_p()
    assert allocate(ctypes.byref(block), 3, 100) == errno.EINVAL
    assert allocate(ctypes.byref(block), 64, 2**62) == errno.ENOMEM
    assert block.value is None


def test_libraries_that_are_not_loaded_are_left_alone():
    assert huge_pages.ask_for_huge("no_such_library") == 0


def test_a_system_without_huge_pages_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(huge_pages, "_SETTINGS", tmp_path)
    assert not huge_pages.available()
    (tmp_path / "enabled").write_text("always madvise [never]\n")
    assert not huge_pages.available()
    assert huge_pages.ask_for_huge.__wrapped__("libjax_common.", "libtensorflow_cc.") == 0


@pytest.fixture
def release():
    from gm_keras.backend.huge_pages import blocks

    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(blocks.ADDRESSES[b"free"])


def resident() -> int:
    """Megabytes of this process in the memory."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("Rss"))


def taken(allocate, length, alignment=64) -> int:
    block = ctypes.c_void_p()
    assert allocate(ctypes.byref(block), alignment, length) == 0
    ctypes.memset(block, 7, length)
    return block.value


def test_a_large_block_is_given_to_the_next_who_asks(allocate, release):
    length = 2**26 + 2**20
    block = taken(allocate, length)
    release(block)
    assert taken(allocate, length - 2**20) == block
    other = taken(allocate, length)
    assert other != block
    release(block)
    release(other)
    # Neither for one who asks for more, nor for much less.
    longer, shorter = taken(allocate, 2 * length), taken(allocate, length // 2)
    assert not {longer, shorter} & {block, other}
    assert {taken(allocate, length), taken(allocate, length)} == {block, other}
    for each in (block, other, longer, shorter):
        release(each)


def test_few_blocks_are_kept(allocate, release):
    from gm_keras.backend.huge_pages import blocks

    many = [taken(allocate, 2**26) for _ in range(3 * blocks.PLACES)]
    full = resident()
    for each in many:
        release(each)
    assert resident() <= full - 64 * (len(many) - blocks.PLACES) + 8


def test_small_blocks_and_none_are_freed(allocate, release):
    release(None)
    before = resident()
    for _ in range(100):
        release(taken(allocate, 2**23))
    for _ in range(1000):
        release(taken(allocate, 1000))
    assert resident() <= before + 32


def test_threads_never_share_a_block(allocate, release):
    """Each writes its own number all over its block, and finds nothing else there."""
    import threading

    import numpy as np

    wrong = []

    def work(number):
        random = np.random.default_rng(number)
        for _ in range(40):
            length = int(random.integers(2**25, 2**25 + 2**23))
            block = ctypes.c_void_p()
            assert allocate(ctypes.byref(block), 64, length) == 0
            values = np.ctypeslib.as_array((ctypes.c_uint8 * length).from_address(block.value))
            values[::4096] = number
            if not (values[::4096] == number).all():
                wrong.append(number)
            release(block)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
