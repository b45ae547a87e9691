"""Small prepared data sets, as the stage `prepare` leaves them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from gm_keras.data import PreparedData
from tests.projects.parts import write_description

SPLITS = {"train": 300, "validation": 20, "test": 60}


def write_digits(folder: Path, *, labels: bool = True) -> PreparedData:
    """Writes 8 x 8 digits of 17 levels, with labels or without."""
    digits = load_digits()
    arrays = {"image": digits.images[..., None].astype("uint8")}
    if labels:
        arrays["label"] = digits.target.astype("int32")
    return write(folder, arrays, levels=17, num_classes=10 if labels else None)


def write_points(folder: Path) -> PreparedData:
    """Writes points of two classes on two lines in the plane."""
    rng = np.random.default_rng(0)
    label = np.arange(sum(SPLITS.values())) % 2
    points = np.stack([rng.normal(size=len(label)), 2.0 * label - 1.0], axis=1)
    arrays = {"features": points.astype("float32"), "label": label.astype("int32")}
    return write(folder, arrays, num_classes=2)


def write(
    folder: Path,
    arrays: Mapping[str, np.ndarray],
    splits: Mapping[str, int] = SPLITS,
    **further: Any,
) -> PreparedData:
    """Writes arrays, of which the splits take their rows one after the other.

    Args:
        folder: Of the prepared data, by whose name they go.
        arrays: The fields; the first is what models learn.
        splits: How many examples each has.
        **further: Entries of `dataset.json` besides, such as `levels`.
    """
    fields = {name: (values.shape[1:], str(values.dtype)) for name, values in arrays.items()}
    write_description(folder, fields, splits, **further)
    start = 0
    for split, size in splits.items():
        for field, values in arrays.items():
            np.save(folder / f"{split}_{field}.npy", values[start : start + size])
        start += size
    return PreparedData(folder)
