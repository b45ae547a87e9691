"""A prepared data set: memory-mapped arrays in a folder, described by its `dataset.json`.

The stage `train` depends on this file and on `batches.py` alone, so it imports nothing else of
`gm_keras.data`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

KEYS = ("name", "primary", "fields", "splits", "levels", "num_classes")


class PreparedData:
    """The folder `data/<name>/` as written by `python -m pipelines.prepare <name>`.

    Opening it checks that every file is there, whole, and of the shape and type that
    `dataset.json` says; it reads no values.

    Args:
        path: The folder.

    Attributes:
        path: The folder.
        info: The content of `dataset.json`.

    Raises:
        FileNotFoundError: The folder or one of its files is missing.
        ValueError: A file is broken.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.info: dict[str, Any] = self._read_info()
        self._arrays = {
            split: {field: self._open(split, field) for field in self.info["fields"]}
            for split in self.info["splits"]
        }

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.info["name"]

    @property
    def primary(self) -> str:
        """The field that is modelled: `image` or `features`."""
        return self.info["primary"]

    @property
    def example_shape(self) -> tuple[int, ...]:
        """The shape of one example: (height, width, channels) or (features,)."""
        return tuple(self.info["fields"][self.primary]["shape"])

    @property
    def levels(self) -> int | None:
        """The number of values that a pixel can take; None for features."""
        return self.info["levels"]

    @property
    def num_classes(self) -> int | None:
        """The number of classes; None without labels."""
        return self.info["num_classes"]

    def size(self, split: str) -> int:
        """The number of examples of a split."""
        return len(self.arrays(split)[self.primary])

    def arrays(self, split: str) -> dict[str, np.ndarray]:
        """The arrays of a split, read-only and memory-mapped.

        Args:
            split: `train`, `validation` or `test`.

        Returns:
            By field: `image` uint8 (n, height, width, channels), or `features` float32
            (n, features); `label` int32 (n,) where there are labels.
        """
        if split not in self._arrays:
            known = ", ".join(self._arrays)
            raise ValueError(f'data set "{self.name}" has no split "{split}"; it has {known}')
        return self._arrays[split]

    def scaled(
        self, split: str, field: str | None = None, indices: np.ndarray | slice | None = None
    ) -> np.ndarray:
        """Examples as a model takes them; only the rows asked for are read.

        Args:
            split: `train`, `validation` or `test`.
            field: `image` or `features`; by default the one that there is.
            indices: Rows, as indices or a slice; by default all.

        Returns:
            float32 (rows, *example_shape): images in [-1, 1] (value v of `levels` becomes
            2 v / (levels - 1) - 1), features unchanged.
        """
        field = field or self.primary
        if field != self.primary:
            raise ValueError(f'data set "{self.name}": only "{self.primary}" has a scale')
        rows = self.arrays(split)[field]
        rows = rows if indices is None else rows[indices]
        if field == "image":
            # A table makes both ends exact, and is faster than arithmetic on every pixel.
            table = 2.0 * np.arange(self.levels) / (self.levels - 1) - 1.0
            try:
                return table.astype("float32")[rows]
            except IndexError:
                raise ValueError(
                    f"{self.path}: an image of {split} has a value above {self.levels - 1}; "
                    + self._remedy()
                ) from None
        return np.array(rows, "float32")

    def _remedy(self) -> str:
        name = self.path.name
        return f"prepare it with: python -m pipelines.prepare {name} (or dvc repro prepare@{name})"

    def _read_info(self) -> dict[str, Any]:
        file = self.path / "dataset.json"
        try:
            info = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(f"{file} is missing; {self._remedy()}") from None
        except (ValueError, OSError) as error:
            raise ValueError(f"{file} cannot be read ({error}); {self._remedy()}") from None
        missing = [key for key in KEYS if not isinstance(info, dict) or key not in info]
        if missing or info["primary"] not in info["fields"]:
            raise ValueError(f"{file} lacks {', '.join(missing) or 'a field'}; {self._remedy()}")
        return info

    def _open(self, split: str, field: str) -> np.memmap:
        file = self.path / f"{split}_{field}.npy"
        spec = self.info["fields"][field]
        shape, dtype = (self.info["splits"][split], *spec["shape"]), np.dtype(spec["dtype"])
        try:
            array = np.load(file, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise FileNotFoundError(f"{file} is missing; {self._remedy()}") from None
        except (ValueError, OSError, EOFError) as error:
            raise ValueError(
                f"{file} is truncated or no .npy file ({error}); {self._remedy()}"
            ) from None
        expected = array.offset + array.nbytes
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(
                f"{file} holds {array.dtype} {array.shape}, but dataset.json says {dtype} {shape}; "
                + self._remedy()
            )
        if file.stat().st_size != expected:
            raise ValueError(
                f"{file} has {file.stat().st_size} bytes instead of {expected}; {self._remedy()}"
            )
        return array
