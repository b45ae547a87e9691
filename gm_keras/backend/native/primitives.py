"""What oneDNN is to compute, as numbers, and the primitives that compute it.

Arrays are as everywhere: channels last, kernels (*kernel size, channels / groups, filters), matrices row by row.
"""

import ctypes
import functools
import hashlib
import itertools
import math
from typing import NamedTuple

import numpy as np

from gm_keras.backend.native import library

FORWARD, INPUT_GRADIENT, KERNEL_GRADIENT, PRODUCT = range(4)
#: oneDNN's numbers of the types.
DTYPES = {"float32": 3, "bfloat16": 2}
_BYTES = {"float32": 4, "bfloat16": 2}

_TRAINING, _DIRECT = 64, 1
SOURCE, TARGET, WEIGHTS, _SCRATCHPAD, _MANY_SOURCES = 1, 17, 33, 80, 1024
_SOURCE_GRADIENT, _TARGET_GRADIENT, _WEIGHTS_GRADIENT = 129, 145, 161
_ASK_WEIGHTS, _ASK_WEIGHTS_GRADIENT, _ASK_SCRATCHPAD = 131, 132, 136
_ALIGNED = 64
# Buffers of a call: its two arguments, its result, and the workspace.
FIRST, SECOND, RESULT, WORKSPACE = range(4)
#: Into more no work is cut.
MOST_PARTS = 32
# Multiplications that are worth a thread of their own, those of a part of large work, and how many of these for each thread.
_PART, _LARGE_PART, _SPARE = 2**21, 2**24, 4
# So much longer than wide a product is summed over parts.
_LONG = 4
#: So much work of different kinds or sizes is prepared in one process.
MOST = 2**13


class Product(NamedTuple):
    """(rows, inner) times (inner, columns); a factor that is turned lies in the memory as its transpose."""

    dtype: str
    rows: int
    inner: int
    columns: int
    first_turned: bool
    second_turned: bool

    @property
    def work(self) -> int:
        """Multiplications."""
        return self.rows * self.inner * self.columns

    @property
    def result(self) -> tuple[int, ...]:
        """Its shape."""
        return self.rows, self.columns

    def numbers(self) -> list[int]:
        """All of it as integers; `from_numbers` is the way back."""
        return [PRODUCT, DTYPES[self.dtype], *map(int, self[1:])]


class Convolution(NamedTuple):
    """One of the three; what comes behind the groups has an entry for each spatial dimension."""

    kind: int
    dtype: str
    batch: int
    channels: int
    filters: int
    groups: int
    size: tuple[int, ...]
    new_size: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def work(self) -> int:
        """Multiplications, those with zeros of the padding included."""
        depth = self.channels // self.groups * math.prod(self.kernel)
        return self.batch * math.prod(self.new_size) * depth * self.filters

    @property
    def result(self) -> tuple[int, ...]:
        """Its shape."""
        if self.kind == FORWARD:
            return self.batch, *self.new_size, self.filters
        if self.kind == INPUT_GRADIENT:
            return self.batch, *self.size, self.channels
        return *self.kernel, self.channels // self.groups, self.filters

    def numbers(self) -> list[int]:
        """All of it as integers; `from_numbers` is the way back."""
        flat = [self.kind, DTYPES[self.dtype], *self[2:6], len(self.size)]
        return flat + list(itertools.chain.from_iterable(self[6:]))


Work = Product | Convolution


def from_numbers(numbers: list[int]) -> Work:
    """The inverse of `numbers()`."""
    kind, dtype, *rest = numbers
    name = next(name for name, number in DTYPES.items() if number == dtype)
    if kind == PRODUCT:
        return Product(name, *rest[:3], *map(bool, rest[3:]))
    scalars, rank = rest[:4], rest[4]
    rows = [tuple(rest[at : at + rank]) for at in range(5, 5 + 7 * rank, rank)]
    return Convolution(kind, name, *scalars, *rows)


def key(work: Work) -> int:
    """A positive number for it, the same in each process."""
    digest = hashlib.blake2b(repr(work.numbers()).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 | 1


class Prepared(NamedTuple):
    """Primitives that are ready to run: some first, then parts in any order or at a time, then some last.

    Attributes:
        workspace: Bytes that a call needs besides its arguments and its result.
        record: Address of the first steps, number of parts, address of their steps' addresses, address of the last steps.
        kept: What these addresses point to. Steps are their number, then for each the address of a primitive, the
            number of its arguments, and for each of these its number, the address of its description, the buffer it
            lies in, and the bytes before it.
    """

    workspace: int
    record: np.ndarray
    kept: list[np.ndarray]


@functools.cache
def prepared(work: Work) -> Prepared:
    """Makes the primitives.

    Raises:
        library.UnsupportedError: If oneDNN has no quick one for this processor, or the work cannot be shared.
    """
    return _product(work) if isinstance(work, Product) else _convolution(work)


def _parts(work: Work, length: int, summed: bool) -> int:
    """Into how many equal parts to cut the work.

    Few, as each costs a little. Of large work more than there are threads, so that one that is kept from running holds
    up less; but not where results are summed, as each is another array.
    """
    wanted = min(work.work // _PART, library.threads())
    if not summed:
        wanted = max(wanted, min(work.work // _LARGE_PART, _SPARE * library.threads()))
    wanted = min(max(wanted, 1), MOST_PARTS)
    parts = max(n for n in range(1, wanted + 1) if length % n == 0)
    if parts == 1 < wanted:
        raise library.UnsupportedError(f"{length} cannot be shared")
    return parts


def _product(work: Product) -> Prepared:
    summed = work.inner > _LONG * max(work.rows, work.columns)
    length = work.inner if summed else work.rows
    parts = _parts(work, length, summed)
    share = length // parts
    rows, inner = (work.rows, share) if summed else (share, work.inner)
    dtype, size = DTYPES[work.dtype], _BYTES[work.dtype]
    # How far apart two rows, and two columns, of the factors lie in the memory.
    first_strides = (1, work.rows) if work.first_turned else (work.inner, 1)
    second_strides = (1, work.inner) if work.second_turned else (work.columns, 1)
    first = library.memory(dtype, (rows, inner), first_strides)
    second = library.memory(dtype, (inner, work.columns), second_strides)
    result = library.memory(dtype, (rows, work.columns), (work.columns, 1))
    create = "dnnl_matmul_primitive_desc_create"
    core = library.made(create, library.engine(), first, second, None, result, library.attributes())
    check(core, "ref")
    plan = Plan()
    partial = plan.room(parts * rows * work.columns * size) if summed and parts > 1 else None
    targets = []
    for at in range(0, length, share):
        if summed:
            before = (at * first_strides[1] * size, at * second_strides[0] * size)
        else:
            before = (at * first_strides[0] * size, 0)
        if partial is None:
            target = (RESULT, at * work.columns * size)
        else:
            target = (WORKSPACE, partial + len(targets) * rows * work.columns * size)
        targets.append((result, *target))
        plan.part(
            core,
            (SOURCE, first, FIRST, before[0]),
            (WEIGHTS, second, SECOND, before[1]),
            (TARGET, *targets[-1]),
        )
    if partial is not None:
        plan.last(_sum(result, parts), *_terms(targets), (TARGET, result, RESULT, 0))
    return plan.prepared()


def _convolution(work: Convolution) -> Prepared:
    parts = _parts(work, work.batch, work.kind == KERNEL_GRADIENT)
    batch, dtype, size = work.batch // parts, DTYPES[work.dtype], _BYTES[work.dtype]
    inputs = _channels_last(dtype, batch, work.channels, work.size)
    outputs = _channels_last(dtype, batch, work.filters, work.new_size)
    plain, free = _kernels(work, dtype)
    core = _core(work, inputs, free, outputs)
    check(core, "ref", "gemm")
    of_inputs = batch * work.channels * math.prod(work.size) * size
    of_outputs = batch * work.filters * math.prod(work.new_size) * size
    plan = Plan()
    if work.kind == KERNEL_GRADIENT:
        packed = library.asked(core, _ASK_WEIGHTS_GRADIENT)
        sums = [(packed, WORKSPACE, plan.room(library.size(packed))) for _ in range(parts)]
        for n, target in enumerate(sums):
            plan.part(
                core,
                (SOURCE, inputs, FIRST, n * of_inputs),
                (_TARGET_GRADIENT, outputs, SECOND, n * of_outputs),
                (_WEIGHTS_GRADIENT, *target),
            )
        total = sums[0]
        if parts > 1:
            total = (packed, WORKSPACE, plan.room(library.size(packed)))
            plan.last(_sum(packed, parts), *_terms(sums), (TARGET, *total))
        plan.last(_reorder(packed, plain), (SOURCE, *total), (TARGET, plain, RESULT, 0))
        return plan.prepared()
    packed = library.asked(core, _ASK_WEIGHTS)
    kernel = (packed, WORKSPACE, plan.room(library.size(packed)))
    plan.first(_reorder(plain, packed), (SOURCE, plain, SECOND, 0), (TARGET, *kernel))
    for n in range(parts):
        if work.kind == FORWARD:
            source = (SOURCE, inputs, FIRST, n * of_inputs)
            target = (TARGET, outputs, RESULT, n * of_outputs)
        else:
            source = (_TARGET_GRADIENT, outputs, FIRST, n * of_outputs)
            target = (_SOURCE_GRADIENT, inputs, RESULT, n * of_inputs)
        plan.part(core, source, (WEIGHTS, *kernel), target)
    return plan.prepared()


class Plan:
    """Collects primitives, and the workspace that they need.

    Args:
        one_by_one: No two of them run at a time: they may have one scratchpad.
    """

    def __init__(self, one_by_one: bool = False):
        self._workspace, self._made = 0, {}
        self._one_by_one, self._scratchpads = one_by_one, []
        self._first, self._last, self._parts = [], [], []

    def room(self, size: int) -> int:
        """Where in the workspace so many bytes are."""
        start = self._workspace
        self._workspace += -(-size // _ALIGNED) * _ALIGNED
        return start

    def first(self, described, *arguments):
        """A primitive that runs before the parts; arguments are (number, description, buffer, bytes before)."""
        self._first.append(self._step(described, arguments))

    def last(self, described, *arguments):
        """A primitive that runs after the parts."""
        self._last.append(self._step(described, arguments))

    def part(self, described, *arguments):
        """A primitive that runs in any order with the other parts."""
        self._parts.append(self._step(described, arguments))

    def _step(self, described, arguments):
        rows = [(number, memory.value, *where) for number, memory, *where in arguments]
        scratchpad = library.asked(described, _ASK_SCRATCHPAD)
        needed = library.size(scratchpad)
        if needed:
            where = 0 if self._one_by_one else self.room(needed)
            rows.append((_SCRATCHPAD, scratchpad.value, WORKSPACE, where))
        if described.value not in self._made:
            primitive = library.made("dnnl_primitive_create", described)
            self._made[described.value] = primitive.value
        step = [self._made[described.value], len(rows), *itertools.chain.from_iterable(rows)]
        if needed and self._one_by_one:
            self._scratchpads.append((needed, step))
        return step

    def prepared(self) -> Prepared:
        """All of it; nothing can be added any more."""
        if self._scratchpads:
            where = self.room(max(needed for needed, _ in self._scratchpads))
            for _, step in self._scratchpads:
                step[-1] = where
        first, last, *parts = (
            np.array([len(steps), *itertools.chain.from_iterable(steps)], np.int64)
            for steps in (self._first, self._last, *([part] for part in self._parts))
        )
        addresses = np.array([part.ctypes.data for part in parts], np.int64)
        record = [first.ctypes.data, len(parts), addresses.ctypes.data, last.ctypes.data]
        # XLA has no buffers without bytes.
        workspace = max(self._workspace, _ALIGNED)
        return Prepared(workspace, np.array(record, np.int64), [first, last, addresses, *parts])


def _terms(places):
    return [(_MANY_SOURCES + n, *place) for n, place in enumerate(places)]


def _sum(described, terms):
    ones, each = (
        (ctypes.c_float * terms)(*[1.0] * terms),
        (library.Pointer * terms)(*[described.value] * terms),
    )
    create = "dnnl_sum_primitive_desc_create"
    engine, attributes = library.engine(), library.attributes()
    return library.made(create, engine, described, terms, ones, each, attributes)


def check(core, *slow):
    """oneDNN has something for everything; these are what it falls back to."""
    name = library.name(core)
    if any(each in name for each in slow):
        raise library.UnsupportedError(name)


def _core(work, inputs, kernel, outputs):
    dilation = [each - 1 for each in work.dilation]
    window = [library.Sizes(*each) for each in (work.strides, dilation, work.before, work.after)]
    create = "dnnl_convolution_{}_primitive_desc_create"
    engine, attributes = library.engine(), library.attributes()
    ends = (inputs, kernel, None, outputs)
    forward = library.made(
        create.format("forward"), engine, _TRAINING, _DIRECT, *ends, *window, attributes
    )
    if work.kind == FORWARD:
        return forward
    if work.kind == INPUT_GRADIENT:
        name, ends = "backward_data", (inputs, kernel, outputs)
    else:
        name = "backward_weights"
    return library.made(create.format(name), engine, _DIRECT, *ends, *window, forward, attributes)


def _reorder(source, target):
    engine = library.engine()
    create = "dnnl_reorder_primitive_desc_create"
    return library.made(create, source, engine, target, engine, library.attributes())


def _channels_last(dtype, batch, channels, size):
    inner = [channels * math.prod(size[axis + 1 :]) for axis in range(len(size))]
    return library.memory(dtype, (batch, channels, *size), (channels * math.prod(size), 1, *inner))


def _kernels(work, dtype):
    """The kernel as it comes, and in an order that is oneDNN's to choose."""
    depth, space = work.channels // work.groups, range(len(work.kernel))
    inner = [depth * work.filters * math.prod(work.kernel[axis + 1 :]) for axis in space]
    dims = (work.filters // work.groups, depth, *work.kernel)
    strides = (1, work.filters, *inner)
    if work.groups > 1:
        dims, strides = (work.groups, *dims), (work.filters // work.groups, *strides)
    return library.memory(dtype, dims, strides), library.memory(dtype, dims)
