"""The rate of one large product of bfloat16 matrices in JAX."""

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.gpu.ours import device


class Product:
    """Random square matrices; zeros would be faster than data are.

    Args:
        case: `side` of the matrices.
    """

    def __init__(self, case: dict[str, Any]):
        keys = jax.random.split(jax.random.key(0))
        shape = (case["side"], case["side"])
        self._left, self._right = (jax.random.normal(key, shape, jnp.bfloat16) for key in keys)
        self._product = jax.jit(jnp.matmul)

    def facts(self) -> dict[str, Any]:
        """Operations of one product."""
        return {"flops": 2 * len(self._left) ** 3, **device.facts()}

    def run(self, products: int) -> None:
        """So many products, one after the other."""
        result = None
        for _ in range(products):
            result = self._product(self._left, self._right)
        jax.block_until_ready(result)
