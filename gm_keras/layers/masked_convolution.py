"""The masked convolutions and the gate of van den Oord et al. 2016 (arXiv 1606.05328)."""

import keras
import numpy as np
from keras import layers, ops

from gm_keras.ops.convolution import convolve
from gm_keras.ops.projection import add_bias, project


@keras.saving.register_keras_serializable("gm_keras")
class MaskedConvolution(layers.Layer):
    """A convolution over a part of the window around a pixel that comes before it in raster order.

    The vertical part is the rows of the window above the pixel and, unless `strict`, its own row: in a stack
    whose first layer is strict, a feature knows nothing but rows above, whatever its place in its row. The
    horizontal part is the pixel itself and those to its left. The channels of a pixel come one after
    the other: the features of all layers are in `channels` groups of equal size, and at the pixel itself, group k sees
    the groups up to k, with `strict` those before k.

    Args:
        filters: Number of output features; with several parts and groups a multiple of both.
        kernel_size: Side of the window in pixels; odd.
        stack: "vertical" or "horizontal".
        strict: Leave out the pixel itself (the paper's mask A); otherwise mask B.
        channels: Of the image; matters for the horizontal stack alone.
        parts: The outputs are so many parts of `channels` groups each, for example the two inputs of a gate.
        use_bias: Add a bias.
        kernel_initializer: Of the kernel.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        stack,
        strict=False,
        channels=1,
        parts=1,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        **options,
    ):
        super().__init__(**options)
        if stack not in ("vertical", "horizontal"):
            raise ValueError(f'stack must be "vertical" or "horizontal", not {stack!r}')
        if kernel_size % 2 == 0 or kernel_size < (3 if strict else 1):
            raise ValueError(
                f"kernel_size must be odd and at least {3 if strict else 1}, not {kernel_size}"
            )
        if filters % (parts * channels):
            raise ValueError(
                f"{filters} features cannot be divided into {parts} parts of {channels} groups: "
                f"take a multiple of {parts * channels}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.stack = stack
        self.strict = strict
        self.channels = channels
        self.parts = parts
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        reach = kernel_size // 2
        #: Rows before the pixel's own that the window has, and pixels before it in a row.
        self.rows_before = reach if stack == "vertical" else 0
        self.columns_before = reach
        #: Whether the window ends with the pixel's own row (vertical), or with the pixel (horizontal).
        self.has_own = not strict or (stack == "horizontal" and channels > 1)

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of the part of the window that is seen."""
        if self.stack == "vertical":
            return self.rows_before + self.has_own, self.kernel_size
        return 1, self.columns_before + self.has_own

    def build(self, input_shape):
        inputs = input_shape[-1]
        if inputs % self.channels:
            raise ValueError(
                f"{inputs} input features cannot be divided into {self.channels} groups"
            )
        self.kernel = self.add_weight(
            shape=(*self.window, inputs, self.filters),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self._mask = self._group_mask(inputs)
        self.built = True

    def _group_mask(self, inputs):
        """What each output may see at the pixel itself, `(1, columns, inputs, filters)`; None for everything."""
        if self.stack == "vertical" or self.channels == 1:
            return None
        of_input = np.arange(inputs) * self.channels // inputs
        part = self.filters // self.parts
        of_output = np.arange(self.filters) % part * self.channels // part
        seen = of_input[:, None] < of_output if self.strict else of_input[:, None] <= of_output
        mask = np.ones((*self.window, inputs, self.filters), "float32")
        mask[:, -1] = seen
        return mask

    def masked_kernel(self):
        """The kernel `(rows, columns, inputs, filters)` with zeros where an output must not see."""
        kernel = ops.cast(self.kernel, self.compute_dtype)
        return kernel if self._mask is None else kernel * ops.cast(self._mask, kernel.dtype)

    def call(self, inputs):
        """Maps `(batch, height, width, inputs)` to `(batch, height, width, filters)`."""
        kernel = self.masked_kernel()
        if self.kernel_size == 1:
            outputs = project(inputs, kernel[0, 0])
        else:
            own = 0 if self.has_own else -1
            if self.stack == "vertical":
                padding = (self.rows_before, own), (self.columns_before, self.columns_before)
            else:
                padding = (0, 0), (self.columns_before, own)
            outputs = convolve(inputs, kernel, padding=padding)
        return add_bias(outputs, self.bias) if self.use_bias else outputs

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "stack": self.stack,
            "strict": self.strict,
            "channels": self.channels,
            "parts": self.parts,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("gm_keras")
class Gate(layers.Layer):
    """tanh of the first half of the features times the sigmoid of the second."""

    def call(self, inputs):
        """Maps `(..., 2 * filters)` to `(..., filters)`."""
        signal, gate = ops.split(inputs, 2, axis=-1)
        return ops.tanh(signal) * ops.sigmoid(gate)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 2)
