"""Attention of a few heads of one example at a time: scores and weights, which XLA writes and reads again, stay in the cache.

Products are oneDNN's, the softmax between them is compiled by numba. Queries, keys and values are read where the projection
wrote them, side by side in rows of three times the width, and their gradients are written in the same way. Under a causal
mask positions are taken in blocks, and what lies behind the last position of a block is left out.
"""

import functools
from typing import NamedTuple

import jax
import numba
import numpy as np
from jax.ffi import ffi_call

from gm_keras.backend.intrinsics import address_of, bits_of, float_of, floats, known, space, words
from gm_keras.backend.native import interface, library, onednn, primitives
from gm_keras.backend.native.exponential import exponential, vectorized
from gm_keras.backend.native.interface import (
    argument,
    asks_for_version,
    attribute,
    begin,
    result,
    share,
)
from gm_keras.backend.native.onednn import find, run
from gm_keras.backend.native.primitives import (
    FIRST,
    RESULT,
    SECOND,
    SOURCE,
    TARGET,
    WEIGHTS,
    WORKSPACE,
)

_TARGET = "gm_keras_attention"
_BYTES = 4
# Positions of a block under a mask, and how many blocks there are at most.
_BLOCK, _MOST_BLOCKS = 128, 8
# Bytes of scores that a processor's second cache holds beside all else; parts of a call for each thread where they fit.
_CACHED, _SPARE = 2**19, 4
# The numbers of a call: addresses of the four buffers of primitives, of the logarithms of the sums, and of the record's
# steps; sizes; the bytes of a part's workspace, how many parts there are, and the bits of the scores' factor.
_LOG_SUMS, _BEFORE, _AFTER = 4, 5, 6
_BATCH, _LENGTH, _WIDTH, _HEADS, _CAUSAL, _GRADIENT, _TOGETHER = range(7, 14)
_SIZE, _PARTS, _FACTOR = 14, 15, 16
_NUMBERS = 17

_F, _I = numba.float32, numba.int32
# Values of a row are computed so many at a time.
_LANES = 16


class Attention(NamedTuple):
    """Of so many heads, over queries, keys and values `(batch, length, 3 * width)`, or its gradient."""

    gradient: bool
    batch: int
    length: int
    width: int
    heads: int
    causal: bool

    def numbers(self) -> list[int]:
        """All of it as integers; `from_numbers` is the way back."""
        return [int(each) for each in self]

    @property
    def block(self) -> int:
        """Positions in a block."""
        return max(_BLOCK, -(-self.length // _MOST_BLOCKS)) if self.causal else self.length

    @property
    def together(self) -> int:
        """How many heads are computed in one product."""
        each = self.length**2 * _BYTES
        fit = max(1, _CACHED // each)
        return max(n for n in range(1, self.heads + 1) if self.heads % n == 0 and n <= fit)

    @property
    def parts(self) -> int:
        """How many may run at a time, each with a workspace."""
        tasks = self.batch * self.heads // self.together
        small = self.length**2 * _BYTES <= _CACHED
        return min(tasks, library.threads() * (_SPARE if small else 1))


def from_numbers(numbers: list[int]) -> Attention:
    """The inverse of `numbers()`."""
    gradient, *sizes, causal = numbers
    return Attention(bool(gradient), *sizes, bool(causal))


@functools.cache
def prepared(work: Attention) -> primitives.Prepared:
    """Makes the primitives: some before the softmax, some after it; their workspace is that of one part.

    Raises:
        library.UnsupportedError: If oneDNN has no quick ones for this processor.
    """
    length, width, together = work.length, work.width, work.together
    size, square = width // work.heads, length * length
    plan = primitives.Plan(one_by_one=True)
    scores = plan.room(together * square * _BYTES)
    slopes = plan.room(together * square * _BYTES) if work.gradient else None

    def product(rows, inner, columns, first, second, target):
        """Factors and target are (strides of their rows and columns, buffer, floats before)."""
        described = [
            library.memory(primitives.DTYPES["float32"], (together, *dims), (apart, *strides))
            for dims, (apart, strides, *_) in zip(
                ((rows, inner), (inner, columns), (rows, columns)),
                (first, second, target),
                strict=True,
            )
        ]
        left, right, to = described
        create = "dnnl_matmul_primitive_desc_create"
        core = library.made(create, library.engine(), left, right, None, to, library.attributes())
        primitives.check(core, "ref")
        arguments = [
            (number, memory, buffer, _BYTES * before)
            for number, memory, (*_, buffer, before) in zip(
                (SOURCE, WEIGHTS, TARGET), described, (first, second, target), strict=True
            )
        ]
        return core, *arguments

    def joined(which, position, buffer=FIRST, turned=False):
        """Queries (0), keys (1) or values (2) from a position on."""
        strides = (1, 3 * width) if turned else (3 * width, 1)
        return size, strides, buffer, which * width + position * 3 * width

    def outputs(position, buffer):
        return size, (width, 1), buffer, position * width

    def weights(where, row, column, turned=False):
        strides = (1, length) if turned else (length, 1)
        return square, strides, WORKSPACE, where // _BYTES + row * length + column

    for start in range(0, length, work.block):
        stop = min(start + work.block, length)
        rows, seen = stop - start, stop
        if work.causal:
            first, seeing = start, length - start
        else:
            first, seeing = 0, length
        of_queries = joined(0, start)
        plan.first(
            *product(
                rows, size, seen, of_queries, joined(1, 0, turned=True), weights(scores, start, 0)
            )
        )
        if not work.gradient:
            sums = outputs(start, RESULT)
            plan.last(*product(rows, seen, size, weights(scores, start, 0), joined(2, 0), sums))
            continue
        upstream, values = outputs(start, SECOND), joined(2, 0, turned=True)
        plan.first(*product(rows, size, seen, upstream, values, weights(slopes, start, 0)))
        for inner, factor, other, which in (
            (seen, weights(slopes, start, 0), joined(1, 0), 0),
            (seeing, weights(slopes, first, start, turned=True), joined(0, first), 1),
            (seeing, weights(scores, first, start, turned=True), outputs(first, SECOND), 2),
        ):
            plan.last(*product(rows, inner, size, factor, other, joined(which, start, RESULT)))
    return plan.prepared()


_records = onednn.Records("attention", prepared, from_numbers)


def supported(work: Attention) -> bool:
    """Whether oneDNN has quick products for it."""
    try:
        prepared(work)
    except library.UnsupportedError:
        return False
    return True


def attend(joined: jax.Array, heads: int, causal: bool) -> tuple[jax.Array, jax.Array]:
    """`(batch, length, 3 * width)` -> the heads side by side `(batch, length, width)`, and the logarithms of the sums of
    their weights `(batch, heads, length)`."""
    work = _work(False, joined, heads, causal)
    outputs = jax.ShapeDtypeStruct((work.batch, work.length, work.width), joined.dtype)
    log_sums = jax.ShapeDtypeStruct((work.batch, heads, work.length), joined.dtype)
    return tuple(_call(work, (joined,), (outputs, log_sums)))


def gradient(
    joined: jax.Array, log_sums: jax.Array, upstream: jax.Array, heads: int, causal: bool
) -> jax.Array:
    """The gradient of queries, keys and values."""
    work = _work(True, joined, heads, causal)
    shape = jax.ShapeDtypeStruct(joined.shape, joined.dtype)
    return _call(work, (joined, log_sums, upstream), (shape,))[0]


def work_of(joined: jax.Array, heads: int, causal: bool) -> list[Attention]:
    """What is to be prepared for it."""
    return [_work(each, joined, heads, causal) for each in (False, True)]


def _work(gradient, joined, heads, causal):
    batch, length, width = joined.shape
    return Attention(gradient, batch, length, width // 3, heads, causal)


def _call(work, given, results):
    ready = _records.remember(work)
    # How the work is shared is part of the program that XLA keeps on disk.
    numbers = [primitives.key(work), library.threads(), *work.numbers()]
    numbers += [work.together, ready.workspace, work.parts]
    size = work.width // work.heads
    numbers.append(int(np.float32(size**-0.5).view(np.int32)))
    workspace = jax.ShapeDtypeStruct((work.parts * ready.workspace,), np.uint8)
    run = ffi_call(_TARGET, (*results, workspace), vmap_method="sequential")
    return run(*given, work=np.array(numbers, np.int64))[:-1]


@vectorized
def _ordered(bits):
    """Integers in the order of the floats that have these bits; its own inverse."""
    return bits ^ ((bits >> _I(31)) & _I(0x7FFFFFFF))


@vectorized
def _softmax(scores, factor, causal, block, log_sums):
    """Weights in place of the scores of one head, and the logarithm of the sum of each row."""
    length = scores.shape[0]
    for row in range(length):
        seen = row + 1 if causal else length
        stop = min((row // block + 1) * block, length) if causal else length
        # Whole lanes: what is left over would be computed one by one.
        end = min((seen + _LANES - 1) // _LANES * _LANES, stop)
        # As integers they have the order of the floats, and NaN is the largest: it is not lost.
        largest = _ordered(bits_of(scores[row, 0]))
        for column in range(seen):
            largest = max(largest, _ordered(bits_of(scores[row, column])))
        most = float_of(_ordered(largest))
        total = _F(0)
        for column in range(end):
            value = exponential((scores[row, column] - most) * factor)
            value = value if column < seen else _F(0)
            scores[row, column] = value
            total += value
        inverse = _F(1) / total
        for column in range(end):
            scores[row, column] *= inverse
        for column in range(end, stop):
            scores[row, column] = _F(0)
        log_sums[row] = most * factor + np.log(total)


@vectorized
def _softmax_gradient(scores, slopes, factor, causal, block, log_sums):
    """Weights in place of the scores of one head, and the gradients of scores in place of those of weights."""
    length = scores.shape[0]
    for row in range(length):
        seen = row + 1 if causal else length
        stop = min((row // block + 1) * block, length) if causal else length
        end = min((seen + _LANES - 1) // _LANES * _LANES, stop)
        total = _F(0)
        log_sum = log_sums[row]
        for column in range(end):
            value = exponential(scores[row, column] * factor - log_sum)
            value = value if column < seen else _F(0)
            scores[row, column] = value
            total += value * slopes[row, column]
        for column in range(end):
            slopes[row, column] = scores[row, column] * (slopes[row, column] - total) * factor
        for column in range(end, stop):
            scores[row, column] = _F(0)
            slopes[row, column] = _F(0)


@interface.task
def _part(numbers, index):
    call = words(numbers)
    length, width, heads, together = call[_LENGTH], call[_WIDTH], call[_HEADS], call[_TOGETHER]
    causal, factor = call[_CAUSAL] != 0, float_of(_I(call[_FACTOR]))
    block = max(_BLOCK, (length + _MOST_BLOCKS - 1) // _MOST_BLOCKS)
    groups, square = heads // together, length * length
    workspace = call[WORKSPACE] + index * call[_SIZE]
    buffers = space(4)
    status = 0
    for task in range(index, call[_BATCH] * groups, call[_PARTS]):
        example, head = task // groups, task % groups * together
        rows, column = example * length * width, head * (width // heads)
        wide, narrow = 4 * (3 * rows + column), 4 * (rows + column)
        words(buffers)[FIRST] = call[FIRST] + wide
        words(buffers)[SECOND] = call[SECOND] + narrow
        words(buffers)[RESULT] = call[RESULT] + (narrow if call[_GRADIENT] == 0 else wide)
        words(buffers)[WORKSPACE] = workspace
        status |= run(call[_BEFORE], buffers)
        for each in range(together):
            scores = numba.carray(floats(workspace + 4 * each * square), (length, length))
            before = 4 * (example * heads + head + each) * length
            log_sums = numba.carray(floats(call[_LOG_SUMS] + before), (length,))
            if call[_GRADIENT] == 0:
                _softmax(scores, factor, causal, block, log_sums)
            else:
                # As `prepared` lays them out: each array begins at a multiple of 64 bytes.
                behind = (4 * together * square + 63) // 64 * 64
                second = workspace + behind + 4 * each * square
                slopes = numba.carray(floats(second), (length, length))
                _softmax_gradient(scores, slopes, factor, causal, block, log_sums)
        status |= run(call[_AFTER], buffers)
    return status


known("attention_part", _part.address)


@interface.handler
def _handle(frame):
    if asks_for_version(frame):
        return 0
    found = space(1)
    error = find(frame, found, address_of("attention_table"), address_of("attention_late"))
    if error != 0:
        return error
    record, given = words(words(found)[0]), words(attribute(frame))
    numbers = begin(_NUMBERS)
    call = words(numbers)
    gradient = given[2]
    call[_GRADIENT] = gradient
    for index in range(5):
        call[_BATCH + index] = given[3 + index]
    for index in range(4):
        call[_TOGETHER + index] = given[8 + index]
    call[_BEFORE], call[_AFTER] = record[0], record[3]
    call[FIRST], call[RESULT] = argument(frame, 0), result(frame, 0)
    if gradient == 0:
        call[SECOND], call[_LOG_SUMS], call[WORKSPACE] = 0, result(frame, 1), result(frame, 2)
    else:
        call[SECOND], call[_LOG_SUMS] = argument(frame, 2), argument(frame, 1)
        call[WORKSPACE] = result(frame, 1)
    return share(frame, numbers, call[_PARTS], address_of("attention_part"))


interface.register(_TARGET, _handle)
