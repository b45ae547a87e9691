"""Data sets of random values in the library's format."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "build" / "benchmarks" / "data"


def write(name: str, shape: Sequence[int], levels: int, rows: int) -> Path:
    """Writes a prepared data set of random values, once; returns its folder."""
    folder = DATA / "_".join(["gpu", name, *map(str, shape), str(levels), str(rows)])
    if (folder / "dataset.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    dtype = "uint8" if levels <= 256 else "uint16"
    values = np.random.default_rng(0).integers(levels, size=(rows, *shape)).astype(dtype)
    np.save(folder / f"train_{name}.npy", values)
    info = {
        "name": folder.name,
        "primary": name,
        "fields": {name: {"shape": list(shape), "dtype": dtype, "levels": levels}},
        "splits": {"train": rows},
        "levels": levels,
        "num_classes": None,
        "stream": name == "tokens",
    }
    (folder / "dataset.json").write_text(json.dumps(info), encoding="utf-8")
    return folder
