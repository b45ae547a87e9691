"""How far the columns of a kernel are from orthogonal ones."""

from typing import Any

from keras import ops


def orthogonal_penalty(kernel: Any) -> Any:
    """Returns `||W^T W * (1 - I)||^2`, the sum of the squared products of different columns (Brock et al. 2019).

    The lengths of the columns are free: they enter no product of a column with itself.

    Args:
        kernel: `(..., inputs, outputs)`; W is it as a matrix of all inputs times the outputs.

    Returns:
        A scalar, float32.
    """
    matrix = ops.cast(ops.reshape(kernel, (-1, kernel.shape[-1])), "float32")
    products = ops.matmul(ops.transpose(matrix), matrix)
    different = 1.0 - ops.eye(kernel.shape[-1])
    return ops.sum(ops.square(products * different))
