"""Reading sets of features of any length in a bounded amount of memory.

A set may be a memory map that is larger than the memory: nothing here turns a whole one into an array, and the
pages that were read are given back to the system after each piece.
"""

import mmap
from collections.abc import Iterator

import numpy as np

from gm_keras.metrics.estimate import TooFewSamples
from gm_keras.progress import progress

# Bytes of one piece as float64, and of its place in a file.
CHUNK_BYTES = 8 * 2**20
# Rows of each set that are compared with each other at once.
BLOCK_ROWS = 10_000
# Bytes of blocks that are held at once, of each set.
BLOCK_BYTES = 96 * 2**20


def checked(
    values: np.ndarray, name: str, at_least: int = 1, reason: str | None = None
) -> np.ndarray:
    """Looks at the shape and, piece by piece, at the values of a set of features.

    Args:
        values: Features `(n, d)`.
        name: What the caller calls them, for the errors.
        at_least: How many rows there must be.
        reason: Why so many, for the error.

    Returns:
        The same array (an array of what else was given), in its own dtype.

    Raises:
        TooFewSamples: If there are fewer rows.
        ValueError: If it is not a matrix of finite numbers.
    """
    if not isinstance(values, np.ndarray):
        values = np.asarray(values)
    if values.ndim != 2 or values.shape[1] < 1:
        raise ValueError(f"{name} must be an array (n, d), not of shape {values.shape}")
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, not {values.dtype}")
    if len(values) < at_least:
        because = f" ({reason})" if reason else ""
        raise TooFewSamples(
            f"{name} must have at least {at_least} rows{because}, but has {len(values)}: "
            "give it more samples"
        )
    if values.dtype.kind == "f":
        for start, part in chunks(values, f"check {name}", values.dtype):
            if not np.isfinite(part).all():
                row = start + int(np.flatnonzero(~np.isfinite(part).all(axis=1))[0])
                raise ValueError(f"{name} holds values that are not finite, the first in row {row}")
    return values


def checked_pair(
    real: np.ndarray,
    generated: np.ndarray,
    at_least: int = 1,
    reason: str | None = None,
    names: tuple[str, str] = ("real", "generated"),
) -> tuple[np.ndarray, np.ndarray]:
    """Applies `checked` to two sets, which must be of the same width."""
    widths = [np.shape(values)[1:] for values in (real, generated)]
    if widths[0] != widths[1] and len(widths[0]) == len(widths[1]) == 1:
        raise ValueError(
            f"{names[0]} and {names[1]} differ in width: {widths[0][0]} and {widths[1][0]}"
        )
    return (
        checked(real, names[0], at_least, reason),
        checked(generated, names[1], at_least, reason),
    )


def rows_at_once(width: int) -> int:
    """How many rows of `width` float64 values fit into a piece."""
    return max(1, CHUNK_BYTES // (8 * width))


def read(
    values: np.ndarray, start: int, stop: int, dtype: str | np.dtype = "float64"
) -> np.ndarray:
    """Returns a copy of the rows from `start` to `stop`, and lets go of the pages behind it."""
    stop = min(stop, len(values))
    result = np.empty((stop - start, *values.shape[1:]), dtype)
    # With every hundredth row of a file the system maps the neighbours too: what counts is the way gone in the file.
    step = max(1, CHUNK_BYTES // max(1, abs(values.strides[0])))
    for first in range(start, stop, step):
        last = min(first + step, stop)
        result[first - start : last - start] = values[first:last]
        release(values)
    return result


def pick(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns a float64 copy of some rows, and lets go of the pages behind it."""
    result = np.empty((len(rows), *values.shape[1:]))
    # Around each row that is read on its own the system maps about 64 KB.
    step = max(1, CHUNK_BYTES // 2**16)
    for first in range(0, len(rows), step):
        result[first : first + step] = values[rows[first : first + step]]
        release(values)
    return result


def chunks(
    values: np.ndarray, description: str, dtype: str | np.dtype = "float64"
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the rows piece by piece, each with the index of its first row; with a progress bar."""
    rows = rows_at_once(int(np.prod(values.shape[1:])))
    with progress(len(values), description) as bar:
        for start in range(0, len(values), rows):
            part = read(values, start, start + rows, dtype)
            yield start, part
            bar.update(len(part))


def release(values: np.ndarray) -> None:
    """Gives the pages of a memory map back; they are read again from the file when they are wanted."""
    memory, shared = values, False
    while isinstance(memory, np.ndarray):
        # A copy-on-write map may hold changes that are nowhere else.
        shared = shared or (isinstance(memory, np.memmap) and memory.mode != "c")
        memory = memory.base
    if shared and isinstance(memory, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        memory.madvise(mmap.MADV_DONTNEED)


def block_count(values: np.ndarray) -> int:
    """How many blocks of at most 10,000 rows a set is dealt into."""
    return -(-len(values) // BLOCK_ROWS)


def pairs_of_blocks(
    real: np.ndarray, generated: np.ndarray
) -> Iterator[tuple[int, np.ndarray, int, np.ndarray]]:
    """Pairs the blocks of two sets, so that comparing within pairs takes linear time.

    A set of up to 10,000 rows is one block. A larger one is dealt into disjoint blocks of nearly equal size, row
    by row in turn, so that a sorted set gives blocks that are alike. Every block of the set with more of them is in
    one pair; the blocks of the other set are used in several pairs that follow each other.

    Yields:
        The index of a block of `real`, the block, and the same of `generated`. A block is overwritten by a later one.
    """
    counts = block_count(real), block_count(generated)
    total = max(counts)
    # The index of the block in each pair never falls, so that each block is read once.
    turns = [[pair * count // total for pair in range(total)] for count in counts]
    dealt = [_deal(values, count) for values, count in zip((real, generated), counts, strict=True)]
    held: list[np.ndarray] = [real, generated]
    for pair in range(total):
        for side in (0, 1):
            if pair == 0 or turns[side][pair] != turns[side][pair - 1]:
                held[side] = next(dealt[side])
        yield turns[0][pair], held[0], turns[1][pair], held[1]


def _deal(values: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Yields `values[index::count]` for each index: in memory where it fits, else as a view."""
    size = values.dtype.itemsize * values.shape[1] * -(-len(values) // count)
    if size > BLOCK_BYTES:
        yield from (values[index::count] for index in range(count))
        return
    # Short rows share pages: as many blocks as fit are gathered in one walk through the file.
    together = min(count, max(1, BLOCK_BYTES // size))
    space = np.empty((together, -(-len(values) // count), values.shape[1]), values.dtype)
    for first in range(0, count, together):
        indices = range(first, min(first + together, count))
        _gather(values, count, indices, space)
        for index in indices:
            yield space[index - first, : len(range(index, len(values), count))]


def _gather(values: np.ndarray, count: int, indices: range, space: np.ndarray) -> None:
    """Puts `values[index::count]` into `space`, for each index in turn."""
    rows = rows_at_once(values.shape[1])
    for start in range(0, len(values), rows):
        part = values[start : start + rows]
        for index, block in zip(indices, space, strict=False):
            skipped = (index - start) % count
            target = (start + skipped - index) // count
            picked = part[skipped::count]
            block[target : target + len(picked)] = picked
        release(values)
