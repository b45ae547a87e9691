"""What oneDNN is to compute, as numbers, and the primitives that compute it.

Arrays are as everywhere: channels last, kernels (*kernel size, channels / groups, filters), matrices row by row.
"""

import functools
import hashlib
import itertools
import math
from typing import NamedTuple

import numpy as np

from gm_keras.backend.onednn import library

FORWARD, INPUT_GRADIENT, KERNEL_GRADIENT, PRODUCT = range(4)
#: oneDNN's numbers of the types.
DTYPES = {"float32": 3, "bfloat16": 2}

_TRAINING, _DIRECT = 64, 1
_SOURCE, _TARGET, _WEIGHTS, _SCRATCHPAD = 1, 17, 33, 80
_SOURCE_GRADIENT, _TARGET_GRADIENT, _WEIGHTS_GRADIENT = 129, 145, 161
_ASK_WEIGHTS, _ASK_WEIGHTS_GRADIENT, _ASK_SCRATCHPAD = 131, 132, 136
_ALIGNED = 64
# Buffers of a call: its two arguments, its result, and the workspace.
_FIRST, _SECOND, _RESULT, _WORKSPACE = range(4)
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
    """Primitives that are ready to run.

    Attributes:
        workspace: Bytes that a call needs besides its arguments and its result.
        record: The number of primitives, then for each its address, the number of its arguments, and for each of
            these its number, the address of its description, the buffer it lies in, and the bytes before it.
    """

    workspace: int
    record: np.ndarray


@functools.cache
def prepared(work: Work) -> Prepared:
    """Makes the primitives.

    Raises:
        library.UnsupportedError: If oneDNN has no quick one for this processor.
    """
    return _product(work) if isinstance(work, Product) else _convolution(work)


def _product(work: Product) -> Prepared:
    dtype = DTYPES[work.dtype]
    shapes = ((work.rows, work.inner), (work.inner, work.columns), (work.rows, work.columns))
    turned = (work.first_turned, work.second_turned, False)
    first, second, result = (
        library.memory(dtype, shape, (1, shape[0]) if turn else (shape[1], 1))
        for shape, turn in zip(shapes, turned, strict=True)
    )
    create = "dnnl_matmul_primitive_desc_create"
    core = library.made(create, library.engine(), first, second, None, result, library.attributes())
    _check(core, "ref")
    steps = _Steps()
    steps.add(
        core, (_SOURCE, first, _FIRST), (_WEIGHTS, second, _SECOND), (_TARGET, result, _RESULT)
    )
    return steps.prepared()


def _convolution(work: Convolution) -> Prepared:
    dtype = DTYPES[work.dtype]
    inputs = _channels_last(dtype, work.batch, work.channels, work.size)
    outputs = _channels_last(dtype, work.batch, work.filters, work.new_size)
    plain, free = _kernels(work, dtype)
    core = _core(work, inputs, free, outputs)
    _check(core, "ref", "gemm")
    if work.kind == KERNEL_GRADIENT:
        packed = library.asked(core, _ASK_WEIGHTS_GRADIENT)
        steps = _Steps(library.size(packed))
        steps.add(
            core,
            (_SOURCE, inputs, _FIRST),
            (_TARGET_GRADIENT, outputs, _SECOND),
            (_WEIGHTS_GRADIENT, packed, _WORKSPACE),
        )
        steps.add(_reorder(packed, plain), (_SOURCE, packed, _WORKSPACE), (_TARGET, plain, _RESULT))
        return steps.prepared()
    packed = library.asked(core, _ASK_WEIGHTS)
    steps = _Steps(library.size(packed))
    steps.add(_reorder(plain, packed), (_SOURCE, plain, _SECOND), (_TARGET, packed, _WORKSPACE))
    if work.kind == FORWARD:
        ends = ((_SOURCE, inputs, _FIRST), (_TARGET, outputs, _RESULT))
    else:
        ends = ((_TARGET_GRADIENT, outputs, _FIRST), (_SOURCE_GRADIENT, inputs, _RESULT))
    steps.add(core, ends[0], (_WEIGHTS, packed, _WORKSPACE), ends[1])
    return steps.prepared()


class _Steps:
    """Collects primitives; a packed kernel lies at the start of the workspace, their scratchpads behind it."""

    def __init__(self, packed: int = 0):
        self.workspace, self.words, self.count = _rounded(packed), [], 0

    def add(self, described, *arguments):
        rows = [(argument, memory.value, buffer, 0) for argument, memory, buffer in arguments]
        scratchpad = library.asked(described, _ASK_SCRATCHPAD)
        if library.size(scratchpad):
            rows.append((_SCRATCHPAD, scratchpad.value, _WORKSPACE, self.workspace))
            self.workspace += _rounded(library.size(scratchpad))
        primitive = library.made("dnnl_primitive_create", described)
        self.words += [primitive.value, len(rows), *itertools.chain.from_iterable(rows)]
        self.count += 1

    def prepared(self) -> Prepared:
        return Prepared(self.workspace, np.array([self.count, *self.words], np.int64))


def _rounded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def _check(core, *slow):
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
