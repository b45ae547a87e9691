"""The rate of one large product of bfloat16 matrices in PyTorch."""

from typing import Any

import torch

from benchmarks.gpu.pytorch import device as devices


class Product:
    """Random square matrices; zeros would be faster than data are.

    Args:
        case: `side` of the matrices.
        device: "cpu" or "cuda".
        compiled: Makes no difference.
    """

    def __init__(self, case: dict[str, Any], device: str = "cuda", compiled: bool = False):
        del compiled
        self.device = devices.prepare(device)
        options = {"device": self.device, "dtype": torch.bfloat16}
        self._left, self._right = torch.randn(2, case["side"], case["side"], **options)
        self._product = torch.empty_like(self._left)

    def facts(self) -> dict[str, Any]:
        """Operations of one product."""
        return {"flops": 2 * len(self._left) ** 3, **devices.facts(self.device)}

    def run(self, products: int) -> None:
        """So many products, one after the other."""
        for _ in range(products):
            torch.mm(self._left, self._right, out=self._product)
        devices.wait(self.device)
