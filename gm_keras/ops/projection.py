"""Products with a matrix and sums with a bias, in one form for every backend."""

from typing import Any

from keras import ops

from gm_keras import backend

# So many numbers of 16 bits are the 16 bytes that its matrix units load at once.
_GPU_MULTIPLE = 8


def project(inputs: Any, kernel: Any, turned: bool = False) -> Any:
    """`(..., features)` times `(features, units)`, in the kernel's dtype; where it is turned, `(units, features)`."""
    own = backend.kernels()
    if own is None:
        return ops.matmul(inputs, ops.transpose(kernel) if turned else kernel)
    kernel = ops.convert_to_tensor(kernel)
    return own.project(ops.convert_to_tensor(inputs, kernel.dtype), kernel, turned)


def add_bias(outputs: Any, bias: Any) -> Any:
    """`(..., units)` plus `(units,)`."""
    own = backend.kernels()
    if own is None:
        return ops.add(outputs, bias)
    return own.add_bias(outputs, ops.convert_to_tensor(bias, outputs.dtype))


def similarities(inputs: Any, table: Any) -> Any:
    """`(batch, length, features)` times each row of a table `(rows, features)`: `(batch, length, rows)`.

    A GPU's products are several times as slow where the number of rows is no multiple of eight: they are made for
    such a multiple there, but for one position, where the copy of the table would cost more.
    """
    rows = table.shape[0]
    missing = -rows % _GPU_MULTIPLE
    if not missing or inputs.shape[1] == 1 or not backend.on_accelerator():
        return project(inputs, table, turned=True)
    padded = ops.pad(table, ((0, missing), (0, 0)))
    return project(inputs, padded, turned=True)[..., :rows]
