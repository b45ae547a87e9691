"""Causal, dilated convolutions over time, at once or one position after the other."""

from typing import Any

import keras
from keras import ops

from gm_keras.layers.convolution import Conv1D


@keras.saving.register_keras_serializable("gm_keras")
class CausalConvolution1D(Conv1D):
    """A dilated convolution that sees a position and those before it (van den Oord et al. 2016, arXiv 1609.03499).

    The output at time t depends on the inputs at t, t - dilation, ..., t - (kernel_size - 1) * dilation; inputs
    before the first are zero. `step` computes one position from the inputs that a ring buffer kept (Paine et
    al. 2016, arXiv 1611.09482): its cost does not grow with the steps done.

    Args:
        filters: Number of output channels.
        kernel_size: How many inputs an output sees.
        dilation: Distance between these, in positions.
        **options: Those of `keras.layers.Conv1D` besides strides, padding and groups.
    """

    def __init__(self, filters, kernel_size=2, dilation=1, **options):
        # What its configuration holds besides.
        fixed = {"strides": 1, "padding": "causal", "groups": 1, "data_format": "channels_last"}
        for key, value in fixed.items():
            given = options.pop(key, value)
            if given not in (value, (value,), [value], None):
                raise ValueError(f"CausalConvolution1D has {key}={value!r}, not {given!r}")
        dilation = options.pop("dilation_rate", dilation)
        super().__init__(filters, kernel_size, dilation_rate=dilation, **fixed, **options)
        self.reach = (self.kernel_size[0] - 1) * self.dilation_rate[0]

    def initial_cache(self, batch: int) -> Any:
        """The buffer before the first position: `(batch, reach, channels)`, zero."""
        channels = self.kernel.shape[1]
        return ops.zeros((batch, max(self.reach, 1), channels), self.compute_dtype)

    def step(self, inputs: Any, position: Any, cache: Any) -> tuple[Any, Any]:
        """One position.

        Args:
            inputs: `(batch, channels)`.
            position: How many steps came before; an integer or an int32 scalar.
            cache: From `initial_cache`, or from the step before.

        Returns:
            The outputs `(batch, filters)` and the new cache.
        """
        inputs = ops.cast(inputs, self.compute_dtype)
        kernel = ops.cast(self.kernel, self.compute_dtype)
        size, dilation = self.kernel_size[0], self.dilation_rate[0]
        seen = ops.expand_dims(inputs, 1)
        if size > 1:
            # The oldest input that is needed stands where this one will: read first.
            places = ops.mod(position + dilation * ops.arange(size - 1), self.reach)
            past = ops.take(cache, places, axis=1)
            cache = ops.slice_update(cache, (0, ops.mod(position, self.reach), 0), seen)
            seen = ops.concatenate([past, seen], axis=1)
        channels = kernel.shape[1]
        outputs = ops.matmul(
            ops.reshape(seen, (-1, size * channels)), ops.reshape(kernel, (size * channels, -1))
        )
        if self.use_bias:
            outputs = outputs + ops.cast(self.bias, self.compute_dtype)
        return self.activation(outputs), cache
