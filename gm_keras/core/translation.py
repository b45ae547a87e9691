"""What every model that makes one image of another can do."""

from typing import Any

import numpy as np


class TranslatorMixin:
    """`translate(source)` for a model whose condition "source" is an image; the model offers "translator"."""

    def translate(self, source: Any, **given: Any) -> np.ndarray:
        """Translates images: `sample(len(source), source=source, ...)`.

        Args:
            source: `(batch, *shape of a source)` in [-1, 1].
            **given: As for `sample`: `seed`, `batch_size`, other conditions, and options of the model.

        Returns:
            Images `(batch, *shape of one example)` in [-1, 1], float32.

        Raises:
            ValueError: If the sources have another shape or range, or `sample` refuses an argument.
        """
        return self.sample(len(source), source=source, **given)
