"""What every model with `encode` and `decode` can do besides."""

from typing import Any

import numpy as np
from keras import ops

from gm_keras.core.arguments import checked
from gm_keras.core.latents import path
from gm_keras.types import AtLeastTwo, Flag


class AutoencoderMixin:
    """Reconstruction and interpolation on top of `encode(x, label=)` and `decode(latents, label=)`."""

    def reconstruct(self, x: Any, *, label: Any = None) -> Any:
        """Returns `decode(encode(x))`, of the shape and range of `x`."""
        return self.decode(self.encode(x, label=label), label=label)

    @checked
    def interpolate(
        self,
        x0: Any,
        x1: Any,
        steps: AtLeastTwo = 8,
        *,
        label: Any = None,
        spherical: Flag = False,
    ) -> np.ndarray:
        """Decodes points between the latents of two batches.

        Args:
            x0: Examples `(batch, ...)` at one end.
            x1: Examples of the same shape at the other end.
            steps: Points on the way, the ends included; at least 2.
            label: `(batch,)` for models with classes.
            spherical: Go on the arc between the latents instead of the straight line (`core.latents.path`).

        Returns:
            An array `(steps, batch, ...)`.

        Raises:
            ValueError: If there are fewer than 2 steps.
        """
        ends = [ops.convert_to_numpy(self.encode(x, label=label)) for x in (x0, x1)]
        points = [
            self.decode(point, label=label) for point in path(*ends, steps, spherical=spherical)
        ]
        return np.stack([ops.convert_to_numpy(point) for point in points])
