"""A small prepared data set of digits, as the stage `prepare` leaves it, and points in the same way."""

import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from gm_keras.data import PreparedData

SPLITS = {"train": 300, "validation": 20, "test": 60}


def write_digits(folder: Path, *, labels: bool = True) -> PreparedData:
    """Writes 8 x 8 digits of 17 levels, with labels or without."""
    digits = load_digits()
    arrays = {"image": digits.images[..., None].astype("uint8")}
    if labels:
        arrays["label"] = digits.target.astype("int32")
    return _write(folder, "digits", arrays, levels=17, classes=10 if labels else None)


def write_points(folder: Path) -> PreparedData:
    """Writes points of two classes on two lines in the plane."""
    rng = np.random.default_rng(0)
    label = np.arange(sum(SPLITS.values())) % 2
    points = np.stack([rng.normal(size=len(label)), 2.0 * label - 1.0], axis=1)
    arrays = {"features": points.astype("float32"), "label": label.astype("int32")}
    return _write(folder, "lines", arrays, levels=None, classes=2)


def _write(folder, name, arrays, *, levels, classes):
    folder.mkdir(parents=True)
    start = 0
    for split, size in SPLITS.items():
        for field, values in arrays.items():
            np.save(folder / f"{split}_{field}.npy", values[start : start + size])
        start += size
    info = {
        "name": name,
        "primary": next(iter(arrays)),
        "fields": {
            field: {"shape": list(values.shape[1:]), "dtype": str(values.dtype)}
            for field, values in arrays.items()
        },
        "splits": SPLITS,
        "levels": levels,
        "num_classes": classes,
        "class_names": None,
        "checksums": {},
    }
    (folder / "dataset.json").write_text(json.dumps(info), encoding="utf-8")
    return PreparedData(folder)
