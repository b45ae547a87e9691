"""Native kernels: the values and derivatives of XLA's, within programs that other processes compiled too."""

import importlib.metadata
import itertools
import os
import subprocess
import sys

import jax
import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.backend import jax_kernels, native, numba_kernels
from gm_keras.backend.native import library, primitives
from gm_keras.ops.convolution import convolve, convolve_transposed
from gm_keras.ops.normalization import group_normalize
from gm_keras.ops.projection import project
from tests.backend import children
from tests.ops.test_convolution import SHAPES, arguments, derivatives, values

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(
        backend.name != "jax" or library.onednn() is None,
        reason="needs JAX and the extra native, and not GM_KERAS_NATIVE=0",
    ),
]


@pytest.fixture
def everything_by_onednn(monkeypatch):
    monkeypatch.setattr(native, "_WORTH_CONVOLUTION", 0)
    monkeypatch.setattr(native, "_WORTH_PRODUCT", 0)


def same_by_xla(monkeypatch, function, *given, tolerance=1e-4):
    """`function(*given)` is a list of results; the second derivatives among them are of the sine of the first."""
    given = [each / 8 for each in given]
    ours = jax.jit(lambda *given: function(*given))(*given)
    with monkeypatch.context() as patched:
        patched.setattr(native, "_ours", lambda *_: False)
        theirs = jax.jit(lambda *given: function(*given))(*given)
    for one, other in zip(ours, theirs, strict=True):
        one, other = (np.asarray(ops.cast(each, "float32")) for each in (one, other))
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(other).max())


def calls(function, *given, name="gm_keras_onednn") -> int:
    return str(jax.make_jaxpr(function)(*given)).count(name)


@pytest.mark.parametrize(
    ("dimensions", "kernel", "strides", "dilation", "padding", "groups"), SHAPES
)
@pytest.mark.usefixtures("everything_by_onednn")
def test_convolutions_and_their_derivatives_are_those_of_xla(
    monkeypatch, dimensions, kernel, strides, dilation, padding, groups
):
    given = arguments(dimensions, kernel, groups)

    def everything(inputs, weights):
        def function(inputs, weights):
            return convolve(inputs, weights, strides, padding, dilation)

        return [function(inputs, weights), *derivatives(function, inputs, weights)]

    same_by_xla(monkeypatch, everything, *given)
    assert calls(lambda x, w: convolve(x, w, strides, padding, dilation), *given) == 1


@pytest.mark.parametrize("padding", [[(2, 0), (2, 2)], [(0, 3), (5, 1)], [(-1, 1), (2, 0)]])
@pytest.mark.usefixtures("everything_by_onednn")
def test_any_padding(monkeypatch, padding):
    inputs, weights = values((3, 9, 8, 6), 0), values((3, 5, 6, 12), 1)

    def everything(inputs, weights):
        def function(inputs, weights):
            return convolve(inputs, weights, 1, padding)

        return [function(inputs, weights), *derivatives(function, inputs, weights)]

    same_by_xla(monkeypatch, everything, inputs, weights)


@pytest.mark.usefixtures("everything_by_onednn")
def test_transposed_convolutions(monkeypatch):
    inputs, weights = values((3, 5, 5, 12), 0), values((4, 4, 6, 12), 1)

    def everything(inputs, weights):
        def function(inputs, weights):
            return convolve_transposed(inputs, weights, 2)

        return [function(inputs, weights), *derivatives(function, inputs, weights)]

    same_by_xla(monkeypatch, everything, inputs, weights)


@pytest.mark.usefixtures("everything_by_onednn")
def test_products(monkeypatch):
    inputs, kernel = values((3, 5, 7), 0), values((7, 4), 1)

    def everything(inputs, kernel):
        return [project(inputs, kernel), *derivatives(project, inputs, kernel)]

    same_by_xla(monkeypatch, everything, inputs, kernel)
    assert calls(project, inputs, kernel) == 1


@pytest.mark.usefixtures("everything_by_onednn")
def test_bfloat16(monkeypatch):
    inputs, weights = values((4, 8, 8, 16), 0, "bfloat16"), values((3, 3, 16, 32), 1, "bfloat16")

    def everything(inputs, weights):
        outputs, back = jax.vjp(convolve, inputs, weights)
        return [outputs, *back(outputs)]

    # Sums in another order, rounded to eight bits.
    same_by_xla(monkeypatch, everything, inputs, weights, tolerance=2e-2)


@pytest.mark.parametrize(("strides", "padding"), [(1, "same"), (2, "same"), (1, [(2, 0), (2, 2)])])
def test_work_that_is_shared_among_threads(monkeypatch, strides, padding):
    inputs, weights = values((32, 14, 14, 24), 0), values((3, 3, 24, 48), 1)

    def everything(inputs, weights):
        outputs, back = jax.vjp(lambda x, w: convolve(x, w, strides, padding), inputs, weights)
        return [outputs, *back(ops.sin(outputs))]

    assert calls(everything, inputs, weights) == 3
    same_by_xla(monkeypatch, everything, inputs, weights)


@pytest.mark.parametrize("rows", [512, 8192])
def test_products_that_are_shared_among_threads(monkeypatch, rows):
    inputs, kernel = values((rows, 128), 0), values((128, 256), 1)

    def everything(inputs, kernel):
        outputs, back = jax.vjp(project, inputs, kernel)
        return [outputs, *back(ops.sin(outputs))]

    assert calls(everything, inputs, kernel) == 3
    same_by_xla(monkeypatch, everything, inputs, kernel)


def test_what_cannot_be_shared_stays_with_xla():
    if library.threads() == 1:
        pytest.skip("there is one thread")
    assert calls(convolve, values((37, 14, 14, 24), 0), values((3, 3, 24, 48), 1)) == 0


def test_without_the_package_there_is_no_library(monkeypatch):
    def without(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "files", without)
    assert library.onednn.__wrapped__() is None


def test_without_openmp_there_is_no_library(monkeypatch):
    monkeypatch.setattr(library, "_OPENMP", "libgomp.so.0")
    monkeypatch.setattr(library, "openmp", library.openmp.__wrapped__)
    assert library.onednn.__wrapped__() is None


def test_the_calling_thread_keeps_its_number_of_threads():
    """oneDNN is to take one, and whoever else computes with OpenMP as many as before."""
    openmp = library.openmp()
    before = openmp.omp_get_max_threads()
    inputs, weights = values((24, 14, 14, 24), 0), values((3, 3, 24, 48), 1)
    try:
        for threads in (3, 5):
            openmp.omp_set_num_threads(threads)
            # Of another size each time: it is prepared, and then computed.
            np.asarray(convolve(inputs[: 4 * threads], weights))
            assert openmp.omp_get_max_threads() == threads
    finally:
        openmp.omp_set_num_threads(before)


def test_what_onednn_refuses_stays_with_xla():
    sides = ((8, 8), (8, 8), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    work = primitives.Convolution(primitives.FORWARD, "float32", 4, 8, 8, 1, *sides)
    assert native._supported(work)
    assert not native._supported(work._replace(new_size=(5, 5)))


def test_a_numba_that_cannot_be_imported_leaves_the_work_to_xla(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    assert not numba_kernels._compiler.__wrapped__()


WITHOUT = "import jax.{module}; del jax.{module}.{name}"
REFUSED = """
import numba
from gm_keras.backend.intrinsics import words
from gm_keras.backend.native import interface
@numba.cfunc(numba.int64(numba.int64))
def handle(frame):
    extension = words(frame)[interface._EXTENSION]
    words(words(extension)[3])[3] = 0 | 99 << 32
    return 0
register = interface.register
interface.register = lambda target, _: register(target, handle)
"""
BOTH = """
import jax, keras, numpy as np
from gm_keras.ops.convolution import convolve
from gm_keras.ops.random import RandomStream
inputs, kernel = np.ones((24, 14, 14, 24), "float32"), np.ones((3, 3, 24, 48), "float32")
def both(inputs, kernel):
    return convolve(inputs, kernel), keras.random.normal((5000,), seed=RandomStream(0).at(0))
program = jax.jit(both).lower(inputs, kernel)
print([name for name in ("onednn", "noise") if "gm_keras_" + name in program.as_text()])
print(program.compile()(inputs, kernel)[0][0, 5, 5, 0])
"""


LACKING = {
    "calls": (WITHOUT.format(module="ffi", name="ffi_call"), []),
    "generators": (WITHOUT.format(module="extend.random", name="threefry_prng_impl"), ["onednn"]),
    "version": (REFUSED, []),
}


def test_what_this_jax_lacks_leaves_the_work_to_xla():
    printed = children.run(*(before + BOTH for before, _ in LACKING.values()))
    assert dict(zip(LACKING, map(str.splitlines, printed), strict=True)) == {
        name: [str(ours), "216.0"] for name, (_, ours) in LACKING.items()
    }


def test_small_work_stays_with_xla():
    assert calls(convolve, values((1, 4, 4, 2), 0), values((3, 3, 2, 2), 1)) == 0
    assert calls(project, values((64, 64), 0), values((64, 64), 1)) == 0


def test_one_program_may_run_the_same_convolution_twice_at_a_time():
    inputs, weights = values((64, 28, 28, 16), 0), values((3, 3, 16, 32), 1)

    @jax.jit
    def twice(inputs, weights):
        return [convolve(inputs, weights), convolve(-inputs, weights)]

    first, second = twice(inputs, weights)
    for _ in range(5):
        again = twice(inputs, weights)
        np.testing.assert_array_equal(first, -again[1])
        np.testing.assert_array_equal(second, -again[0])


@pytest.mark.usefixtures("everything_by_onednn")
def test_mapped_over_a_new_axis():
    inputs, weights = values((3, 2, 6, 6, 4), 0), values((3, 3, 4, 8), 1)
    mapped = jax.vmap(convolve, in_axes=(0, None))(inputs, weights)
    np.testing.assert_allclose(
        mapped, jax.lax.map(lambda x: convolve(x, weights), inputs), rtol=1e-5
    )


def test_numbers_of_work_lead_back_to_it():
    window = jax_kernels.Window((2, 1), ((1, 0), (2, 2)), (1, 1))
    work = primitives.Convolution(
        2,
        "bfloat16",
        8,
        4,
        6,
        2,
        (9, 7),
        (4, 7),
        (3, 5),
        window.strides,
        window.dilation,
        (1, 2),
        (0, 2),
    )
    product = primitives.Product("float32", 3, 4, 5, True, False)
    assert primitives.from_numbers(work.numbers()) == work
    assert primitives.from_numbers(product.numbers()) == product
    assert len({primitives.key(each) for each in (work, product, work._replace(kind=1))}) == 3


def test_normalization_and_its_derivatives_are_those_of_xla(monkeypatch):
    values_, gamma, beta = values((24, 100, 48), 0), values((48,), 1), values((48,), 2)

    def everything(*given):
        def function(*given):
            return group_normalize(*given, 6, 1e-5, keras.activations.silu)

        outputs, back = jax.vjp(function, *given)

        def slopes(*given):
            return [jax.vjp(function, *given)[1](ops.cos(outputs))]

        second = jax.vjp(lambda *given: jax.tree.leaves(slopes(*given)), *given)
        return [outputs, *back(ops.sin(outputs)), *second[1](jax.tree.map(ops.sin, second[0]))]

    def counted(*given):
        return group_normalize(*given, 6, 1e-5, keras.activations.silu)

    assert calls(counted, values_, gamma, beta, name="gm_keras_normalization") == 1
    monkeypatch.setattr(native, "_ours", lambda *_: False)
    ours = jax.jit(everything)(values_, gamma, beta)
    monkeypatch.setenv("GM_KERAS_NATIVE", "0")
    assert calls(lambda *x: counted(*x), values_, gamma, beta, name="gm_keras_normalization") == 0
    theirs = jax.jit(lambda *given: everything(*given))(values_, gamma, beta)
    for one, other in zip(ours, theirs, strict=True):
        # Sums of 2,400 terms that cancel, in another order: processors differ in what they round.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=4e-4 * np.abs(other).max())


def test_normalization_of_any_values():
    scale = values((64,), 1) * 200
    outputs = group_normalize(
        values((16, 64, 64), 0), scale, scale, 4, 1e-5, keras.activations.silu
    )
    plain = group_normalize(
        values((16, 64, 64), 0), scale, scale, 4, 1e-5, keras.activations.linear
    )
    np.testing.assert_allclose(outputs, ops.silu(plain), rtol=1e-4, atol=1e-4)
    broken = values((16, 64, 64), 0).at[3, 5, 7].set(np.nan)
    outputs = group_normalize(broken, scale, scale, 4, 1e-5, keras.activations.silu)
    assert np.isnan(outputs[3, :, :16]).all()
    assert np.isfinite(np.delete(outputs, 3, axis=0)).all()


PROGRAM = """
import hashlib, os, jax, numpy as np
from gm_keras import backend
from gm_keras.backend import jax_kernels, native
from gm_keras.backend.native import library, primitives
from gm_keras.ops.attention import self_attention
from gm_keras.ops.convolution import convolve
found = []
jax.monitoring.register_event_listener(lambda name, **_: found.append(name))
random = np.random.default_rng(0)
inputs = random.normal(size=(32, 14, 14, 16)).astype("float32")
weights = random.normal(size=(3, 3, 16, 16)).astype("float32")
joined = random.normal(size=(8, 64, 192)).astype("float32")
results = []
for name, function, given in [
    ("onednn", lambda w: (convolve(inputs, w) ** 2).sum(), weights),
    ("attention", lambda x: (self_attention(x, 4, True) ** 2).sum(), joined),
]:
    step = jax.jit(jax.grad(function))
    results.append(np.asarray(step(given)))
    assert "gm_keras_" + name in step.lower(given).as_text() or os.environ["GM_KERAS_NATIVE"] == "0"
hits = sum(name.endswith("cache_hits") for name in found)
digest = hashlib.sha256(b"".join(result.tobytes() for result in results)).hexdigest()
print(hits, digest, *[float(np.abs(result).sum()) for result in results])
"""


def run(cache):
    settings = {
        "KERAS_BACKEND": "jax",
        "GM_KERAS_NATIVE": "1",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return printed(done.stdout)


def printed(output):
    hits, digest, *totals = output.split()
    return int(hits), digest, [float(total) for total in totals]


def test_a_program_that_another_process_compiled_computes_the_same_bits(
    tmp_path, monkeypatch, capsys
):
    hits, digest, totals = run(tmp_path)
    again, same, _ = run(tmp_path)
    assert again >= hits + 2, "one for each program"
    assert digest == same
    # Without the library, the same sums in another order.
    monkeypatch.setenv("GM_KERAS_NATIVE", "0")
    exec(PROGRAM, {})
    without = printed(capsys.readouterr().out)
    assert without[1] != digest
    assert without[2] == pytest.approx(totals, rel=1e-5)


@pytest.mark.usefixtures("everything_by_onednn")
def test_what_onednn_cannot_do_is_an_error_of_the_call_and_not_of_the_process():
    convolve(values((1, 4, 4, 2), 0), values((3, 3, 2, 2), 1))  # makes the handler known
    shapes = (jax.ShapeDtypeStruct((2, 2), np.float32), jax.ShapeDtypeStruct((64,), np.uint8))
    unknown = np.array([12345, 1, primitives.PRODUCT, 99, *itertools.repeat(2, 3), 0, 0], np.int64)
    call = jax.ffi.ffi_call("gm_keras_onednn", shapes)
    with pytest.raises(jax.errors.JaxRuntimeError, match="oneDNN cannot compute"):
        jax.block_until_ready(call(np.ones((2, 2)), np.ones((2, 2)), work=unknown))
