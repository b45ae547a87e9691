"""A prepared dataset: memory-mapped arrays in a folder, described by its `dataset.json`.

What trains and evaluates imports this module, so a change of whatever it imports makes their results stale.
"""

import contextlib
import mmap
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gm_keras.fields import ATTRIBUTE, FIELDS, scaling
from gm_keras.fields.table import Table
from gm_keras.reading import FileError, check_file, read_json, shown

KEYS = ("name", "primary", "fields", "splits", "levels", "num_classes")
#: The most bytes of an array whose pages are all mapped at once.
MOST_MAPPED = 2**29
# Linux's number; the modules of Python 3.11 do not name it.
_POPULATE_READ = 22


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
            split: {
                name: self._open(split, name, spec) for name, spec in self.info["fields"].items()
            }
            for split in self.info["splits"]
        }
        described = self.info.get("attributes", {})
        self._attributes = {
            split: {
                name: self._open(split, ATTRIBUTE + name, spec) for name, spec in described.items()
            }
            for split in self.info["splits"]
        }
        self._tables: dict[str, np.ndarray] = {}

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.info["name"]

    @property
    def primary(self) -> str:
        """The field that is modelled, such as `image`: see `gm_keras.fields`."""
        return self.info["primary"]

    @property
    def example_shape(self) -> tuple[int, ...]:
        """The shape of one example of the primary field; () for a stream of tokens."""
        return self.shape(self.primary)

    @property
    def levels(self) -> int | None:
        """The number of values that a pixel or token can take; None for features, audio and strokes."""
        return self.info["levels"]

    @property
    def num_classes(self) -> int | None:
        """The number of classes; None without labels."""
        return self.info["num_classes"]

    @property
    def stream(self) -> bool:
        """Whether a split is one long sequence of tokens, to be cut into windows."""
        return bool(self.info.get("stream"))

    @property
    def vocabulary(self) -> str | None:
        """The character of each token in order; `bytes` if tokens are bytes; None without text."""
        return self.info.get("vocabulary")

    @cached_property
    def columns(self) -> Table | None:
        """The columns that features stand for; None where they are no table."""
        described = self.info.get("table")
        return None if described is None else Table.read(described)

    def shape(self, field: str) -> tuple[int, ...]:
        """The shape of one example of a field: (height, width, channels), (features,), ..."""
        return tuple(self._spec(field)["shape"])

    def levels_of(self, field: str) -> int | None:
        """The number of values of a field's pixels, tokens or classes: each field has its own."""
        return self.levels if field == self.primary else self._spec(field).get("levels")

    def names(self, field: str) -> list[str] | None:
        """What the values of labels, masks or an attribute are called, from 0 on; None if they have no names."""
        if field == "label":
            return self.info.get("class_names")
        described = self.info.get("attributes", {})
        return (
            described[field].get("names") if field in described else self._spec(field).get("names")
        )

    def size(self, split: str) -> int:
        """The number of examples of a split; of tokens where it is a stream."""
        return len(self.arrays(split)[self.primary])

    def arrays(self, split: str) -> dict[str, np.ndarray]:
        """The arrays of a split, read-only and memory-mapped.

        Args:
            split: `train`, `validation`, `test` or another that there is.

        Returns:
            By field (n, *shape of one example), as `gm_keras.fields` has them on disk.
        """
        return self._of(split, self._arrays)

    def attributes(self, split: str) -> dict[str, np.ndarray]:
        """What is known of the examples of a split beside their fields, read-only and memory-mapped.

        Args:
            split: `train`, `validation`, `test` or another that there is.

        Returns:
            By name (n, *shape of one value): numbers, or places in `names(name)`. Empty where nothing is known.
        """
        return self._of(split, self._attributes)

    def _of(self, split: str, arrays: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        if split not in arrays:
            known = ", ".join(arrays)
            raise ValueError(f'data set "{self.name}" has no split "{split}"; it has {known}')
        return arrays[split]

    def chosen(self, fields: Sequence[str] | None) -> list[str]:
        """The fields of these names, in the order of the data set; all for None.

        Raises:
            ValueError: There is no such field; one line.
        """
        for field in fields or ():
            self._spec(field)
        return [field for field in self.info["fields"] if fields is None or field in fields]

    def map_pages(self, split: str, fields: Sequence[str] | None = None) -> None:
        """Has the system read and map a split whose rows will be taken in random order, as far as it is small.

        Else each row is a fault of its own when a batch first takes it, which takes longer than to copy it.
        """
        arrays = self.arrays(split)
        for field in self.chosen(fields):
            array = arrays[field]
            memory = array.base
            if sys.platform == "linux" and isinstance(memory, mmap.mmap):
                if 0 < array.nbytes <= MOST_MAPPED:
                    # Linux before 5.14 does not know the advice, and does without.
                    with contextlib.suppress(OSError):
                        memory.madvise(_POPULATE_READ)

    def rows(self, split: str, field: str, indices: np.ndarray | slice) -> np.ndarray:
        """Rows of a field as they are on disk."""
        # As a plain array: each piece of a `numpy.memmap` is finished in Python, which takes longer than to copy it.
        return np.asarray(self.arrays(split)[field])[indices]

    def scaled(
        self, split: str, field: str | None = None, indices: np.ndarray | slice | None = None
    ) -> np.ndarray:
        """Examples as a model takes them; only the rows asked for are read.

        Args:
            split: `train`, `validation`, `test` or another that there is.
            field: Any field but `label`; by default the primary one.
            indices: Rows, as indices or a slice; by default all.

        Returns:
            (rows, *shape(field)), as `gm_keras.fields` has them in a batch: pixels float32 in [-1, 1] (value
            v of L levels becomes 2 v / (L - 1) - 1), audio in [-1, 1), features unchanged; tokens, captions and
            masks int32.
        """
        field = field or self.primary
        if field == "label":
            raise ValueError(f'data set "{self.name}": "label" has no scale; see arrays()')
        self._spec(field)
        rows = self.rows(split, field, slice(None) if indices is None else indices)
        match scaling(field):
            case "pixels":
                return self._pixels(rows, field, split)
            case "codes":
                return self._codes(rows, field, split)
            case "sound":
                return np.array(rows, "float32") / np.float32(2**15)
            case "strokes":
                return np.array(rows, "float32") / self.divisors
        return np.array(rows, "float32")

    @property
    def divisors(self) -> np.ndarray:
        """What the columns of strokes on disk are divided by, float32 (3,): offsets by their deviation."""
        scale = self._spec("strokes").get("scale", 1.0)
        return np.array([scale, scale, 1.0], "float32")

    def table(self, field: str) -> np.ndarray:
        """What each value of a field of pixels becomes: float32 (levels,) from -1 to 1."""
        if field not in self._tables:
            # A table makes both ends exact, and is faster than arithmetic on every pixel.
            levels = self.levels_of(field)
            self._tables[field] = (2.0 * np.arange(levels) / (levels - 1) - 1.0).astype("float32")
        return self._tables[field]

    def count_windows(self, split: str, window: int) -> int:
        """The number of windows that `windows(split, window)` gives."""
        tokens = self.size(split)
        if not self.stream:
            raise ValueError(f'data set "{self.name}" is no stream of tokens: it has no windows')
        if not 2 <= window <= tokens:
            raise ValueError(
                f'window is {window}, but split "{split}" of data set "{self.name}" has {tokens} '
                f"tokens: set it to 2 to {tokens}"
            )
        return (tokens - 1) // (window - 1)

    def windows(self, split: str, window: int, starts: np.ndarray | None = None) -> np.ndarray:
        """Windows of a stream of tokens; only those asked for are read.

        Args:
            split: `train`, `validation` or `test`.
            window: The tokens of a window: a model's context and one more.
            starts: Where the windows begin. By default those of an evaluation: from the first
                token on, each beginning with the last token of the one before, so that every
                token but the first is predicted once; what fills no window is left out.

        Returns:
            int32 (windows, window).
        """
        count = self.count_windows(split, window)
        starts = np.arange(count) * (window - 1) if starts is None else starts
        view = np.lib.stride_tricks.sliding_window_view(self.arrays(split)["tokens"], window)
        return self._codes(view[starts], "tokens", split)

    def _pixels(self, rows: np.ndarray, field: str, split: str) -> np.ndarray:
        try:
            return self.table(field).take(rows)
        except IndexError:
            raise ValueError(
                f"{self.path}: an image of {split}_{field} has a value above {self.levels_of(field) - 1}; "
                + self._remedy()
            ) from None

    def _codes(self, rows: np.ndarray, field: str, split: str) -> np.ndarray:
        codes = np.array(rows, "int32")
        levels = self.levels_of(field)
        if codes.size and not 0 <= codes.min() <= codes.max() < levels:
            what = "token" if field == "tokens" else f"value of {field}"
            raise ValueError(
                f"{self.path}: a {what} of {split} is outside 0 to {levels - 1}; " + self._remedy()
            )
        return codes

    def _spec(self, field: str) -> dict[str, Any]:
        if field not in self.info["fields"]:
            known = ", ".join(self.info["fields"])
            raise ValueError(f'data set "{self.name}" has no field "{field}"; it has {known}')
        return self.info["fields"][field]

    def _remedy(self) -> str:
        name = self.path.name
        return f"prepare it with: python -m pipelines.prepare {name} (or dvc repro prepare@{name})"

    def _read_info(self) -> dict[str, Any]:
        file = self.path / "dataset.json"
        try:
            info = read_json(file)
        except FileNotFoundError as error:
            remedy = self._remedy()
            # `prepare` replaces no folder that it cannot know for its own.
            if self.path.is_dir() and any(self.path.iterdir()):
                remedy = f"delete {self.path} if nothing of yours is in it, and {remedy}"
            raise FileNotFoundError(f"{error}; {remedy}") from None
        except FileError as error:
            raise ValueError(f"{error}; {self._remedy()}") from None
        missing = [key for key in KEYS if key not in info]
        if missing:
            raise ValueError(f"{file} lacks {', '.join(missing)}; {self._remedy()}")
        if not _makes_sense(info):
            raise ValueError(f"{file} does not describe its fields; {self._remedy()}")
        return info

    def _open(self, split: str, name: str, spec: dict[str, Any]) -> np.memmap:
        file = self.path / f"{split}_{name}.npy"
        shape, dtype = (self.info["splits"][split], *spec["shape"]), np.dtype(spec["dtype"])
        try:
            check_file(file)
            array = np.lib.format.open_memmap(file, mode="r")
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}; {self._remedy()}") from None
        except Exception as error:  # a damaged header raises what Python's parser raises
            reason = shown(" ".join(str(error).split())[:200])
            raise ValueError(
                f"{file} is truncated or no .npy file ({reason}); {self._remedy()}"
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


def _makes_sense(info: dict[str, Any]) -> bool:
    """Whether what is read from a `dataset.json` is of the types that are expected, and goes together."""
    fields, primary, splits = info["fields"], info["primary"], info["splits"]
    if not (
        isinstance(info["name"], str) and isinstance(fields, dict) and isinstance(splits, dict)
    ):
        return False
    attributes = info.get("attributes", {})
    if not isinstance(attributes, dict):
        return False
    if not all(map(_is_field, (*fields.values(), *attributes.values()))):
        return False
    if not all(map(_is_count, splits.values())):
        return False
    # They are names of files.
    files = (*fields, *splits, *(ATTRIBUTE + name for name in attributes))
    if not splits or not all(name.isidentifier() for name in files):
        return False
    if not isinstance(primary, str) or primary not in fields:
        return False
    if info.get("stream") and (primary != "tokens" or fields["tokens"]["shape"]):
        return False
    if info.get("table") is not None and not _is_table(info["table"], fields):
        return False
    levels = {field: spec.get("levels") for field, spec in fields.items()}
    levels[primary] = info["levels"]
    if not all(value is None or _is_count(value) for value in levels.values()):
        return False
    # A pixel of one level would have no scale.
    known = {field: scaling(field) for field in FIELDS if field in fields and field != "label"}
    least = {field: {"pixels": 2, "codes": 1}.get(kind, 0) for field, kind in known.items()}
    return all((levels[field] or 0) >= at_least for field, at_least in least.items()) and (
        _describes_classes(info)
    )


def _describes_classes(info: dict[str, Any]) -> bool:
    count, names = info["num_classes"], info.get("class_names")
    if count is not None and not _is_count(count):
        return False
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        return False
    mixture = info.get("mixture")
    if mixture is not None and not (isinstance(mixture, dict) and _is_mixture(mixture)):
        return False
    texts = (info.get(key) for key in ("vocabulary", "source", "version"))
    return (names is None or len(names) == count) and all(
        text is None or isinstance(text, str) for text in texts
    )


def _is_field(spec: Any) -> bool:
    if not isinstance(spec, dict) or not {"shape", "dtype"} <= set(spec):
        return False
    if not isinstance(spec["shape"], list) or not all(map(_is_count, spec["shape"])):
        return False
    names, scale = spec.get("names", []), spec.get("scale", 1.0)
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        return False
    if not isinstance(scale, float) or not 0.0 < scale < float("inf"):
        return False
    try:
        return isinstance(spec["dtype"], str) and np.dtype(spec["dtype"]).kind in "biuf"
    except Exception:  # numpy raises more than one kind for a text that names no type
        return False


def _is_table(described: Any, fields: dict[str, Any]) -> bool:
    try:
        table = Table.read(described)
    except ValueError:
        return False
    has_label = table.label is not None
    return fields.get("features", {}).get("shape") == [table.size] and has_label == (
        "label" in fields
    )


def _is_mixture(mixture: dict[str, Any]) -> bool:
    try:
        centres, deviation = (np.array(mixture[key], "float64") for key in ("centres", "deviation"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    return centres.ndim == 2 and deviation.shape in ((), centres.shape[:1])


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
