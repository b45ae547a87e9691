"""Pictures of samples while a model trains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gm_keras import images

# Rows of a picture with one column for each class; images of a picture without.
ROWS, IMAGES, POINTS = 8, 64, 1000


def picture_size(model: Any) -> int:
    """How many samples a picture of a model shows."""
    if len(model.data_shape) == 1:
        return POINTS
    return ROWS * model.num_classes if _has_columns(model) else IMAGES


def _has_columns(model: Any) -> bool:
    return bool(model.num_classes) and model.num_classes <= 2 * ROWS


def draw(
    model: Any, seed: int, options: dict[str, Any] | None = None, real: np.ndarray | None = None
) -> np.ndarray:
    """Draws samples as a picture: a grid (one column for each class, where there are any) or a scatter plot.

    Args:
        model: A `GenerativeModel`.
        seed: Of the samples.
        options: Passed to `sample`.
        real: For vectors: data to draw below the samples.

    Returns:
        A picture `(height, width, 3)`, uint8.
    """
    n, arguments = picture_size(model), {"seed": seed, **(options or {})}
    if len(model.data_shape) == 1:
        return images.scatter(model.sample(n, **arguments), real)
    if _has_columns(model):
        labels = np.arange(n) % model.num_classes
        return images.grid(model.sample(n, label=labels, **arguments), columns=model.num_classes)
    return images.grid(model.sample(n, **arguments))


class SampleGrids(keras.callbacks.Callback):
    """Draws the same latents after some epochs, with averaged weights where the optimizer keeps them.

    Args:
        folder: Where `epoch_0010.png` and so on are written.
        epochs: How many epochs the training has.
        grids: How many pictures to make, the last epoch's included.
        options: Passed to `sample`.
        seed: Of the samples, the same in every picture.
        real: For points: data to draw below the samples.
        on_picture: Called with the path of each picture and its epoch, counted from 1.
    """

    def __init__(
        self,
        folder: Path,
        epochs: int,
        *,
        grids: int = 8,
        options: dict[str, Any] | None = None,
        seed: int = 0,
        real: np.ndarray | None = None,
        on_picture: Callable[[Path, int], None] | None = None,
    ):
        super().__init__()
        self.folder = Path(folder)
        self.options = options or {}
        self.seed = seed
        self.real = real
        self.on_picture = on_picture
        self.at = {round(epochs * part / grids) for part in range(1, grids + 1)} - {0}

    def on_epoch_end(self, epoch, logs=None):
        """Writes the picture of this epoch, if it is one of those asked for."""
        if epoch + 1 not in self.at:
            return
        with self.model.optimizer.averaged():
            picture = draw(self.model, self.seed, self.options, self.real)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"epoch_{epoch + 1:04d}.png"
        images.save(picture, path)
        if self.on_picture:
            self.on_picture(path, epoch + 1)
