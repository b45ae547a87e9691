"""All pictures that a model's capabilities and data allow, for the report."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gm_keras import images
from gm_keras.exploration import of_latents, of_samples
from gm_keras.exploration.scene import Picture, Scene

Drawn = Callable[[Scene], Picture | None]


def _drawings(scene: Scene) -> list[Drawn]:
    """What to draw, in the order of the report."""
    offers = scene.model.capabilities
    if scene.model.data_field == "tokens" or len(scene.model.data_shape) not in (1, 3):
        return []
    drawings: list[Drawn] = []
    if "autoencoder" in offers:
        drawings.append(of_latents.reconstructions)
    if offers & {"autoencoder", "latents"}:
        drawings.append(of_latents.interpolation)
    if "latents" in offers:
        if scene.has_dimensions:
            drawings.append(of_latents.dimensions)
        drawings += [of_latents.attribute_table, of_latents.truncation]
    if {"autoencoder", "latents"} <= offers:
        drawings.append(of_latents.projection)
    if "trajectory" in offers:
        drawings.append(of_samples.trajectory)
    drawings.append(partial(of_samples.neighbours, features=False))
    # The Inception network would take hours for a whole training set on a processor.
    if scene.shows_images and scene.extractor.kind == "classifier":
        drawings.append(partial(of_samples.neighbours, features=True))
    return drawings


def write_pictures(
    model: Any,
    data: Any,
    *,
    extractor: Any,
    samples: np.ndarray,
    seed: int,
    options: Mapping[str, Any],
    folder: str | Path,
) -> list[dict[str, str]]:
    """Draws what there is to see in a trained model besides its samples.

    Args:
        model: A `GenerativeModel`.
        data: Prepared data (`gm_keras.data.PreparedData`).
        extractor: A `gm_keras.metrics.features.Extractor`.
        samples: `(n, *shape of one example)` drawn from the model.
        seed: Of everything that is drawn or chosen.
        options: Of `sample`, as in `params.yaml`.
        folder: An existing empty folder; it gets the PNG files.

    Returns:
        `file`, `title`, `caption` and `alt` of each picture, in the order to show.
        The same input gives the same bytes.
    """
    folder = Path(folder)
    scene = Scene(model, data, extractor, samples, seed, options)
    entries = []
    for draw in _drawings(scene):
        picture = draw(scene)
        if picture is None:
            continue
        file = f"{picture.name}.png"
        images.save(picture.pixels, folder / file)
        entries.append(
            {
                "file": file,
                "title": picture.title,
                "caption": picture.caption,
                "alt": picture.alt,
            }
        )
    return entries
