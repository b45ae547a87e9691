"""Products of two square matrices in PyTorch: what bounds every training on the machine."""

import torch

#: A side of the matrices: large enough for the full rate, small enough for a third-level cache.
SIDE = 1024


class Products:
    """Multiplies float32 matrices of 1,024 x 1,024."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.left, self.right = torch.randn(2, SIDE, SIDE)
        self.result = torch.empty(SIDE, SIDE)
        self.done = 0

    def run(self, products: int) -> None:
        """Multiplies so often."""
        for _ in range(products):
            torch.mm(self.left, self.right, out=self.result)
        self.done += products

    def facts(self) -> dict[str, int]:
        """The products done, and the operations of one."""
        return {"done": self.done, "flops": 2 * SIDE**3}
