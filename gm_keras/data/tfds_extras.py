"""What comes with the modelled field of a TFDS data set: captions, masks and attributes."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gm_keras.data.source import DataError, Field
from gm_keras.data.tfds import tfds
from gm_keras.fields import ATTRIBUTE, captions

# Under which names TFDS' data sets have masks.
MASKS = ("mask", "segmentation_mask")
# Under which name they have what is known of an example beside, as celeb_a has.
ATTRIBUTES = "attributes"

Batches = Callable[[str, dict], Iterator[dict[str, Any]]]


def mask_key(features: Any) -> str | None:
    """The name of a data set's masks, if it has any: images of one channel of 8 bits."""
    known = dict(features.items())
    for key in MASKS:
        feature = known.get(key)
        if (
            isinstance(feature, tfds.features.Image)
            and feature.shape[-1] == 1
            and np.dtype(feature.np_dtype) == np.uint8
        ):
            return key
    return None


def mask(feature: Any, image: Field, image_size: int | None, where: str) -> Field:
    """Describes masks; a `DataError` for those that do not lie on the images."""
    shape = (image_size, image_size) if image_size else tuple(feature.shape[:2])
    if shape != image.shape[:2]:
        raise DataError(
            f"{where}: its masks are {shape}, and its images {image.shape}: a mask has a class for each pixel"
        )
    names = getattr(feature, "names", None)
    levels = max(2, len(names)) if names else None
    return Field((*shape, 1), "uint8", levels, tuple(names) if names else None)


def caption(splits: list[str], batches: Batches, where: str) -> Field:
    """Describes captions, all of which are read for the longest."""
    longest = 1
    for split in splits:
        for batch in batches(split, {"caption": True}):
            longest = max(longest, *map(len, batch["caption"]))
    if longest > captions.LONGEST:
        raise DataError(
            f"{where}: a caption has {longest:,} bytes, at most {captions.LONGEST:,} can be kept"
        )
    return Field((longest,), "uint8", captions.LEVELS)


def attributes(features: Any) -> dict[str, Field]:
    """Describes the attributes: classes, numbers, and sequences of either that have one length; others are left out."""
    found = dict(features.items()).get(ATTRIBUTES)
    if not isinstance(found, tfds.features.FeaturesDict):
        return {}
    # They become names of files.
    named = {name: each for name, each in found.items() if f"{ATTRIBUTE}{name}".isidentifier()}
    described = {name: _attribute(feature) for name, feature in named.items()}
    return {name: spec for name, spec in described.items() if spec is not None}


def _attribute(feature: Any) -> Field | None:
    shape = feature.shape
    inner = getattr(feature, "feature", feature)
    if isinstance(shape, dict) or shape is None or None in shape:
        return None
    kind = np.dtype(feature.np_dtype).kind if feature.np_dtype is not None else "O"
    if kind == "f":
        return Field(tuple(shape), "float32")
    if kind not in "iub":
        return None
    named = isinstance(inner, tfds.features.ClassLabel) and inner.names
    return Field(tuple(shape), "int32", names=tuple(inner.names) if named else None)
