"""Sampling from the network of Gated PixelCNN, value after value, inside one compiled loop.

Without caches the whole network runs for each value. With them, a row runs the vertical stack once, on the last few
rows of each of its layers, and a pixel runs the horizontal stack on the last few pixels: a step costs the same
however many came before. Both are the same function of the codes, and draw with the same noise.
"""

from collections.abc import Callable, Mapping
from typing import Any

from keras import Model, ops

from gm_keras.decoding.sampling import sample_logits
from gm_keras.ops.random import RandomStream

# visit(index, logits, carry) -> (codes, carry): decides the value number `index` in raster order from its
# logits (n, levels), float32, and takes along what it likes in `carry`, a tensor of fixed shape.
Visit = Callable[[Any, Any, Any], tuple[Any, Any]]


def sample_codes(
    network: Model,
    n: int,
    random: RandomStream,
    conditions: Mapping[str, Any],
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    cached: bool = True,
) -> Any:
    """Draws grids of codes; call it inside a compiled function.

    Args:
        network: Of `gm_keras.networks.gated_pixelcnn`, for values or codes. Values are those of equally
            spaced levels from -1 to 1.
        n: How many.
        random: The stream of seeds; one is taken for each value of the grid, by its number.
        conditions: What the network is told, by name: `label`, int32 `(n,)`, where it has classes.
        temperature: Divides the logits; 0 takes the most probable value at each step.
        top_k: Draw among the so many most probable values only; None for all.
        top_p: Draw among the most probable values that make up this probability only; None for all.
        cached: Whether to keep what a step can use again; False is slow, and gives the same.

    Returns:
        Codes `(n, height, width, channels)`, int32, from 0 to levels - 1.
    """

    def visit(index, logits, carry):
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        return sample_logits(logits, random.at(index), **options), carry

    decode = _cached if cached else _naive
    return decode(network, n, conditions.get("label"), visit, ops.zeros((1,)))[0]


def forced_logits(
    network: Model, codes: Any, conditions: Mapping[str, Any], *, cached: bool = True
) -> Any:
    """The logits from which each value of given codes would have been drawn, by the sampling loop itself.

    Args:
        network: As for `sample_codes`.
        codes: Integers `(n, height, width, channels)`, from 0 to levels - 1; n must be static.
        conditions: As for `sample_codes`.
        cached: As for `sample_codes`.

    Returns:
        Logits `(n, height, width, channels, levels)`, float32.
    """
    n, size = codes.shape[0], codes.shape[1] * codes.shape[2] * codes.shape[3]
    levels = network.outputs[0].shape[-1]
    given = ops.cast(ops.reshape(codes, (n, size)), "int32")

    def visit(index, logits, seen):
        here = ops.reshape(ops.arange(size), (1, size, 1)) == index
        return ops.take(given, index, axis=1), ops.where(here, logits[:, None], seen)

    decode = _cached if cached else _naive
    logits = decode(network, n, conditions.get("label"), visit, ops.zeros((n, size, levels)))[1]
    return ops.reshape(logits, (*codes.shape, levels))


def codes_to_values(codes: Any, levels: int) -> Any:
    """Grey levels from 0 to levels - 1 as floats from -1 to 1."""
    return ops.cast(codes, "float32") * (2.0 / (levels - 1)) - 1.0


def values_to_codes(values: Any, levels: int) -> Any:
    """The numbers, int32 from 0 to levels - 1, of the grey levels nearest to values in [-1, 1]."""
    nearest = ops.round((ops.cast(values, "float32") + 1.0) * (0.5 * (levels - 1)))
    return ops.cast(ops.clip(nearest, 0.0, levels - 1.0), "int32")


def network_input(network: Model, codes: Any) -> Any:
    """What a network takes for codes: themselves, or the grey levels that they stand for."""
    grid = network.inputs[0]
    return codes if grid.dtype == "int32" else codes_to_values(codes, network.outputs[0].shape[-1])


def _naive(network: Model, n: int, label: Any, visit: Visit, carry: Any) -> tuple[Any, Any]:
    *shape, levels = network.outputs[0].shape[1:]
    size = shape[0] * shape[1] * shape[2]

    def step(index, state):
        codes, carry = state
        grid = network_input(network, ops.reshape(codes, (n, *shape)))
        logits = network(grid if label is None else [grid, label], training=False)
        logits = ops.reshape(ops.cast(logits, "float32"), (n, size, levels))
        drawn, carry = visit(index, ops.take(logits, index, axis=1), carry)
        return ops.where(ops.arange(size)[None] == index, drawn[:, None], codes), carry

    codes, carry = ops.fori_loop(0, size, step, (ops.zeros((n, size), dtype="int32"), carry))
    return ops.reshape(codes, (n, *shape)), carry


def _cached(network: Model, n: int, label: Any, visit: Visit, carry: Any) -> tuple[Any, Any]:
    height, width, channels, _ = network.outputs[0].shape[1:]
    # Outside the loops, so that nothing in them masks or casts anew what never changes.
    steps = _Steps(network, n, label)
    of_row = ops.reshape(ops.arange(height), (1, height, 1, 1))
    of_column = ops.reshape(ops.arange(width), (1, width, 1))
    of_channel = ops.reshape(ops.arange(channels), (1, channels))

    def draw_row(row, state):
        done, above, carry = state
        context, above = steps.vertical(above)

        def draw_pixel(column, state):
            codes, left, carry = state
            context_here = ops.take(context, column, axis=0)
            here = ops.zeros((n, channels), dtype="int32")
            for channel in range(channels):
                logits, left_with_here = steps.horizontal(here, left, context_here)
                index = (row * width + column) * channels + channel
                drawn, carry = visit(index, logits[:, channel], carry)
                here = ops.where(of_channel == channel, drawn[:, None], here)
            codes = ops.where(of_column == column, here[:, None], codes)
            return codes, steps.next_left(left, here, left_with_here), carry

        codes = ops.zeros((n, width, channels), dtype="int32")
        codes, _, carry = ops.fori_loop(0, width, draw_pixel, (codes, steps.nothing_left(), carry))
        done = ops.where(of_row == row, codes[:, None], done)
        return done, steps.next_above(above, codes), carry

    done = ops.zeros((n, height, width, channels), dtype="int32")
    done, _, carry = ops.fori_loop(0, height, draw_row, (done, steps.nothing_above(), carry))
    return done, carry


class _Steps:
    """The two stacks on one row and on one pixel, as matrix products on windows of what is kept.

    The vertical stack keeps, for each layer, the rows of its input that windows of rows to come still
    cover: `(n, rows, width, features)`. The horizontal stack keeps, for each layer, the pixels of its input to the
    left, end to end: `(n, pixels * features)`. Zeros stand for what lies outside the grid, as in the network.
    """

    def __init__(self, network: Model, n: int, label: Any):
        self.network = network
        self.n = n
        self.depth = sum(layer.name.startswith("residual_") for layer in network.layers)
        self.dtype = network.get_layer("logits").compute_dtype
        *self.shape, self.levels = network.outputs[0].shape[1:]
        self.above, self.link = self._all("vertical"), self._all("link")
        self.beside, self.residual = self._all("horizontal"), self._all("residual")
        self.hidden, self.logits = _Product(network, "hidden"), _Product(network, "logits")
        self.condition = {
            layer.name: 0.0 if label is None else self._of_class(layer, label)
            for layer in network.layers
            if "_condition_" in layer.name
        }

    def _all(self, stack):
        return [_Product(self.network, f"{stack}_{index}") for index in range(self.depth)]

    def _of_class(self, layer, label):
        return ops.cast(ops.take(layer.kernel, label, axis=0), self.dtype)[:, None]

    def _conditioned(self, hidden, name):
        return hidden + self.condition[name] if name in self.condition else hidden

    def features(self, codes):
        """What the first layer sees of codes `(n, ..., channels)`."""
        inputs = network_input(self.network, codes)
        if inputs.dtype == codes.dtype:
            inputs = self.network.get_layer("embedding")(inputs)
            inputs = ops.reshape(inputs, (*codes.shape[:-1], -1))
        return ops.cast(inputs, self.dtype)

    def nothing_above(self):
        """What the vertical stack keeps before the first row."""
        return tuple(
            ops.zeros((self.n, each.rows_before, self.shape[1], each.inputs), self.dtype)
            for each in self.above
        )

    def vertical(self, above):
        """Takes the vertical stack to the next row.

        Returns:
            What each layer of the horizontal stack adds at each pixel of the row, `(width, n, depth * features)`,
            and what is kept, in which the row of the grid itself is still missing.
        """
        kept, context, current = [above[0]], [], None
        for index, product in enumerate(self.above):
            rows = above[index]
            if index:
                rows = ops.concatenate([rows, current[:, None]], axis=1)
                kept.append(rows[:, 1:])
            seen = product(self._windows(rows, product.columns_before))
            linked = self.link[index](seen) + self.beside[index].bias
            context.append(self._conditioned(linked, f"horizontal_condition_{index}"))
            if index < self.depth - 1:
                seen = self._conditioned(seen, f"vertical_condition_{index}")
                current = self.network.get_layer(f"vertical_gate_{index}")(seen)
        return ops.transpose(ops.concatenate(context, axis=-1), (1, 0, 2)), tuple(kept)

    def _windows(self, rows, reach):
        padded = ops.pad(rows, ((0, 0), (0, 0), (reach, reach), (0, 0)))
        width = rows.shape[2]
        return ops.concatenate(
            [
                padded[:, row, column : column + width]
                for row in range(rows.shape[1])
                for column in range(2 * reach + 1)
            ],
            axis=-1,
        )

    def next_above(self, above, codes):
        """Keeps a finished row of the grid, `(n, width, channels)`, for the rows to come."""
        rows = ops.concatenate([above[0][:, 1:], self.features(codes)[:, None]], axis=1)
        return (rows, *above[1:])

    def nothing_left(self):
        """What the horizontal stack keeps before the first pixel of a row."""
        return tuple(
            ops.zeros((self.n, each.columns_before * each.inputs), self.dtype)
            for each in self.beside
        )

    def horizontal(self, here, left, context):
        """Takes the horizontal stack to the next pixel.

        Args:
            here: Codes `(n, channels)` of the pixel; those not yet drawn are zero, and make no difference.
            left: What is kept.
            context: What the vertical stack adds, `(n, depth * features)`.

        Returns:
            Logits `(n, channels, levels)`, float32, and what is kept with this pixel at its end.
        """
        with_here, current = [], self.features(here)
        for index, product in enumerate(self.beside):
            with_here.append(ops.concatenate([left[index], current], axis=-1))
            width = product.matrix.shape[-1]
            seen = with_here[-1] if product.has_own else left[index]
            added = context[:, index * width : (index + 1) * width]
            seen = product(seen, bias=False) + added
            update = self.residual[index](self.network.get_layer(f"horizontal_gate_{index}")(seen))
            current = current + update if index else update
        outputs = self.logits(ops.relu(self.hidden(ops.relu(current))))
        outputs = ops.reshape(outputs, (self.n, self.shape[-1], self.levels))
        return ops.cast(outputs, "float32"), with_here

    def next_left(self, left, here, with_here):
        """Keeps a finished pixel, codes `(n, channels)`, for those to come."""
        with_here = [ops.concatenate([left[0], self.features(here)], axis=-1), *with_here[1:]]
        return tuple(
            window[:, product.inputs :]
            for window, product in zip(with_here, self.beside, strict=True)
        )


class _Product:
    """A masked convolution as a product with windows that are already laid out, row after row."""

    def __init__(self, network: Model, name: str):
        layer = network.get_layer(name)
        kernel = layer.masked_kernel()
        self.inputs, width = kernel.shape[-2:]
        self.matrix = ops.reshape(kernel, (-1, width))
        self.bias = ops.cast(layer.bias, kernel.dtype) if layer.use_bias else 0.0
        self.rows_before, self.columns_before = layer.rows_before, layer.columns_before
        self.has_own = layer.has_own

    def __call__(self, windows, bias=True):
        product = ops.matmul(windows, self.matrix)
        return product + self.bias if bias else product
