"""What the values of an example are to a likelihood: black or white, brightness, grey levels, or real numbers."""

import math
from collections.abc import Sequence

import keras
from keras import ops

NOISE = "uniform noise of one grey level, one draw for each image"
CELL_NOISE = "uniform noise around each discrete value, one draw for each example"


class LevelsMixin:
    """For models with an argument `levels`: how many grey levels the data have, None for continuous data.

    Where `binarize` is set, each value is drawn as black or white with its brightness as probability. Where the
    likelihood is a density (`continuous`) and the data have levels, noise fills each level, so that the nats are
    those of the discrete data. Likewise with `cells`: for each feature of vectors the width of what belongs to one of
    its values, 0 for real numbers.
    """

    levels: int | None = None
    cells: Sequence[float] | None = None
    binarize: bool = False

    @property
    def continuous(self) -> bool:
        """Whether the likelihood is a density of real numbers; else values are probabilities of bits."""
        return False

    @property
    def nats_of(self) -> str:
        """What likelihoods are of: "discrete" data, a "table", a "density", or a "relaxed" Bernoulli."""
        if self._fills_cells:
            return "table"
        if self.continuous:
            return "discrete" if self.levels else "density"
        return "discrete" if self.binarize or self.levels == 2 else "relaxed"

    @property
    def data_range(self) -> tuple[float, float] | None:
        return None if self.continuous and not self.levels else super().data_range

    @property
    def dequantization(self) -> str | None:
        """What is added to discrete values, so that the nats are theirs; None if nothing is."""
        if self._fills_cells:
            return CELL_NOISE
        return NOISE if self.continuous and self.levels else None

    @property
    def _fills_cells(self) -> bool:
        return self.continuous and self.cells is not None and any(self.cells)

    def _check_cells(self, shape):
        """Raises a `ValueError` for cells that do not go with examples of this shape."""
        if self.cells is not None and (len(shape) != 1 or len(self.cells) != shape[0]):
            raise ValueError(
                f"cells has one width for each feature of vectors, not {len(self.cells)} for the shape {tuple(shape)}"
            )

    def _cell_noise(self, x, seed):
        """Vectors with noise that fills the cell of each discrete value, which stays in its middle."""
        noise = keras.random.uniform(ops.shape(x), -0.5, 0.5, seed=seed)
        return x + noise * ops.convert_to_tensor(self.cells, "float32")

    @property
    def _log_cells(self):
        """The logarithm of the volume of an example's cells."""
        return sum(math.log(cell) for cell in self.cells if cell)

    @property
    def _level_width(self):
        return 2.0 / (self.levels - 1)

    def _level_noise(self, shape, seed):
        """Noise that fills one grey level, in levels."""
        return keras.random.uniform(shape, -0.5, 0.5, seed=seed)

    def _as_modelled(self, x, seed):
        """Examples as the likelihood sees them, still around [-1, 1]: drawn as black or white, or with noise."""
        x = ops.cast(x, "float32")
        if self.binarize:
            uniform = keras.random.uniform(ops.shape(x), seed=seed)
            return 2.0 * ops.cast(uniform < 0.5 * (x + 1.0), "float32") - 1.0
        if self._fills_cells:
            return self._cell_noise(x, seed)
        if self.dequantization:
            return x + self._level_width * self._level_noise(ops.shape(x), seed)
        return x
