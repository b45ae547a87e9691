"""What every model with `encode` and `decode` can do besides."""

from typing import Any

import numpy as np
from keras import ops


class AutoencoderMixin:
    """Reconstruction and interpolation on top of `encode(x, label=)` and `decode(latents, label=)`."""

    def reconstruct(self, x: Any, *, label: Any = None) -> Any:
        """Returns `decode(encode(x))`, of the shape and range of `x`."""
        return self.decode(self.encode(x, label=label), label=label)

    def interpolate(self, x0: Any, x1: Any, steps: int = 8, *, label: Any = None) -> np.ndarray:
        """Decodes points on the straight line between the latents of two batches.

        Args:
            x0: Examples `(batch, ...)` at one end.
            x1: Examples of the same shape at the other end.
            steps: Points on the line, the ends included; at least 2.
            label: `(batch,)` for models with classes.

        Returns:
            An array `(steps, batch, ...)`.
        """
        if steps < 2:
            raise ValueError(f"an interpolation has at least 2 steps, not {steps}")
        first, last = self.encode(x0, label=label), self.encode(x1, label=label)
        points = [
            self.decode(first + fraction * (last - first), label=label)
            for fraction in np.linspace(0.0, 1.0, steps, dtype="float32")
        ]
        return np.stack([ops.convert_to_numpy(point) for point in points])
