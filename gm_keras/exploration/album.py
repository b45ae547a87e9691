"""All pictures that a model's capabilities and data allow, for the report."""

import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gm_keras import images
from gm_keras.exploration import of_latents, of_samples
from gm_keras.exploration.scene import Picture, Scene
from gm_keras.telling import one_line, tell, with_kind

Drawn = Callable[[Scene], Picture | None]


def _drawings(scene: Scene) -> list[tuple[str, Drawn]]:
    """What to draw, in the order of the report, and what it is called if it cannot be drawn."""
    offers = scene.model.capabilities
    if scene.model.data_field == "tokens" or len(scene.model.data_shape) not in (1, 3):
        return []
    drawings: list[tuple[str, Drawn]] = []
    if "autoencoder" in offers:
        drawings.append(("Reconstructions", of_latents.reconstructions))
    if offers & {"autoencoder", "latents"}:
        drawings.append(("Interpolation", of_latents.interpolation))
    if {"codes", "latents"} <= offers:
        drawings.append(("Codes", of_latents.codes))
    if "latents" in offers:
        if scene.has_dimensions:
            drawings.append(("Single dimensions", of_latents.dimensions))
        drawings.append(("Attribute vectors", of_latents.attribute_table))
        drawings.append(("Truncation", of_latents.truncation))
    if {"autoencoder", "latents"} <= offers:
        drawings.append(("Latents of the test set", of_latents.projection))
    if "trajectory" in offers:
        drawings.append(("From noise to samples", of_samples.trajectory))
    nearest = "Nearest training examples"
    drawings.append((nearest, partial(of_samples.neighbours, features=False)))
    # The Inception network would take hours for a whole training set on a processor.
    if scene.shows_images and scene.extractor.kind == "classifier":
        in_features = partial(of_samples.neighbours, features=True)
        drawings.append((f"{nearest} in features", in_features))
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
    tell: Callable[[str], None] = tell,
) -> list[dict[str, str]]:
    """Draws what there is to see in a trained model besides its samples.

    A picture that cannot be drawn, for whatever reason, is left out.

    Args:
        model: A `GenerativeModel`.
        data: Prepared data (`gm_keras.data.PreparedData`).
        extractor: A `gm_keras.metrics.features.Extractor`.
        samples: `(n, *shape of one example)` drawn from the model.
        seed: Of everything that is drawn or chosen.
        options: Of `sample`, as in `params.yaml`.
        folder: An existing empty folder; it gets the PNG files.
        tell: Takes a line for each picture that is left out, with the kind of the error.

    Returns:
        `file`, `title`, `caption` and `alt` of each picture, in the order to show; of one that is left out
        `title` and, as `left_out`, the reason. The same input gives the same bytes.
    """
    folder = Path(folder)
    scene = Scene(model, data, extractor, samples, seed, options)
    entries = []
    for title, draw in _drawings(scene):
        png = io.BytesIO()
        try:
            picture = draw(scene)
            if picture is None:
                continue
            images.save(picture.pixels, png)
        except Exception as error:  # no picture is worth the scores of a training
            tell(f'the picture "{title}" is left out: {with_kind(error)}')
            entries.append({"title": title, "left_out": one_line(error)})
            continue
        file = f"{picture.name}.png"
        (folder / file).write_bytes(png.getvalue())
        entries.append(
            {
                "file": file,
                "title": picture.title,
                "caption": picture.caption,
                "alt": picture.alt,
            }
        )
    return entries
