"""Products with a matrix and sums with a bias, in one form for every backend."""

from typing import Any

from keras import ops

from gm_keras import backend


def project(inputs: Any, kernel: Any) -> Any:
    """`(..., features)` times `(features, units)`, in the kernel's dtype."""
    own = backend.kernels()
    if own is None:
        return ops.matmul(inputs, kernel)
    kernel = ops.convert_to_tensor(kernel)
    return own.project(ops.convert_to_tensor(inputs, kernel.dtype), kernel)


def add_bias(outputs: Any, bias: Any) -> Any:
    """`(..., units)` plus `(units,)`."""
    own = backend.kernels()
    if own is None:
        return ops.add(outputs, bias)
    return own.add_bias(outputs, ops.convert_to_tensor(bias, outputs.dtype))
