"""Attribute vectors: where the latents of a class lie, and sums of them.

Radford, Metz & Chintala 2016 (arXiv 1511.06434) averaged the latents of samples that they had picked by hand; here
a classifier picks them, or an encoder gives the latents of real examples.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gm_keras.exploration import calls
from gm_keras.exploration.scene import Scene

# Training examples of each class that are encoded; draws from the prior that are read where there is no encoder.
EXAMPLES, DRAWS = 256, 1024
# A mean of fewer draws says more about these than about the class.
FEWEST = 3


@dataclass(frozen=True)
class Attributes:
    """The latents of each class.

    Attributes:
        members: For each class that was found its latents `(n, latent_dim)`.
        encoded: Whether they are of training examples; otherwise of draws that a classifier reads as the class.
    """

    members: dict[int, np.ndarray]
    encoded: bool

    def mean(self, number: int) -> np.ndarray:
        """The mean latents of a class: `(latent_dim,)`."""
        return self.members[number].mean(axis=0, dtype="float64").astype("float32")

    def combine(self, terms: Sequence[tuple[int, int]]) -> np.ndarray:
        """A sum of mean latents.

        Args:
            terms: Pairs of a sign, 1 or -1, and a class.

        Returns:
            Latents `(latent_dim,)`.
        """
        return sum(sign * self.mean(number) for sign, number in terms)


def class_attributes(scene: Scene, numbers: Iterable[int] | None = None) -> Attributes | None:
    """The latents of the classes of a data set under a model.

    With an encoder they are those of the first training examples of each class. Without one they are draws
    from the prior whose samples the data set's classifier reads as the class.

    Args:
        scene: With an extractor, for a model without an encoder.
        numbers: The classes; None is for all. Those that are not found are left out.

    Returns:
        None where there are none: data without classes, latents that are noise, or neither an encoder
        nor a classifier; a model with labels but no encoder has its class from the label, not from the latents.
    """
    model = scene.model
    if not scene.names or not scene.has_dimensions or "latents" not in model.capabilities:
        return None
    numbers = range(len(scene.names)) if numbers is None else numbers
    if "autoencoder" in model.capabilities:
        return Attributes(_encoded(scene, numbers), True)
    if scene.classes or scene.extractor is None or scene.extractor.kind != "classifier":
        return None
    return Attributes(_read(scene, numbers), False)


def _encoded(scene: Scene, numbers: Iterable[int]) -> dict[int, np.ndarray]:
    labels = scene.labels("train")
    members = {}
    for number in numbers:
        rows = np.flatnonzero(labels == number)[:EXAMPLES]
        if len(rows):
            x, told = scene.examples("train", rows), scene.told("train", rows)
            members[number] = calls.encode(scene.model, x, told)
    return members


def _read(scene: Scene, numbers: Iterable[int]) -> dict[int, np.ndarray]:
    latents = scene.model.draw_latents(DRAWS, seed=scene.seed)
    made = scene.decode(latents, scene.told_classes(np.zeros(DRAWS, int)))
    read = scene.extractor.probabilities(np.clip(made, -1.0, 1.0)).argmax(axis=1)
    found = {number: latents[read == number] for number in numbers}
    return {number: each for number, each in found.items() if len(each) >= FEWEST}
