"""What every model with an encoder and a decoder can do."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from gm_keras.core.arguments import checked
from gm_keras.core.latents import DecoderMixin, path
from gm_keras.types import AtLeastTwo, Flag


class AutoencoderMixin(DecoderMixin):
    """`encode` on top of `_encode`, and what follows from it and `decode`."""

    def encode(self, x: Any, **conditions: Any) -> Any:
        """The latents of examples: without noise, the means where they have a distribution.

        Args:
            x: Examples as in training.
            **conditions: What the model is told, such as `label=`: one value for all, or one for each example.

        Returns:
            `(batch, *latent shape)`.

        Raises:
            ValueError: If a condition is missing, wrong, or none of the model's.
        """
        return self.run_told(self._encode, conditions, x)

    def _encode(self, x: Any, conditions: Mapping[str, Any]) -> Any:
        """The latents of examples, inside a compiled function."""
        raise NotImplementedError(f"{type(self).__name__} must define _encode()")

    def reconstruct(self, x: Any, **conditions: Any) -> Any:
        """Returns `decode(encode(x))`, of the shape and range of `x`."""
        return self.decode(self.encode(x, **conditions), **conditions)

    @checked
    def interpolate(
        self,
        x0: Any,
        x1: Any,
        steps: AtLeastTwo = 8,
        *,
        spherical: Flag = False,
        **conditions: Any,
    ) -> np.ndarray:
        """Decodes points between the latents of two batches.

        Args:
            x0: Examples `(batch, ...)` at one end.
            x1: Examples of the same shape at the other end.
            steps: Points on the way, the ends included; at least 2.
            spherical: Go on the arc between the latents instead of the straight line (`core.latents.path`).
            **conditions: As for `encode`; they hold on the whole way.

        Returns:
            An array `(steps, batch, ...)`.

        Raises:
            ValueError: If there are fewer than 2 steps, or `encode` refuses a condition.
        """
        ends = [ops.convert_to_numpy(self.encode(x, **conditions)) for x in (x0, x1)]
        points = [
            self.decode(point, **conditions) for point in path(*ends, steps, spherical=spherical)
        ]
        return np.stack([ops.convert_to_numpy(point) for point in points])
