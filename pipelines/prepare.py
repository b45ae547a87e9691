"""The stage `prepare`: a data set of `params.yaml` becomes arrays in `data/<name>/`.

python -m pipelines.prepare NAME
"""

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipelines.running.stages import stage
from pipelines.settings import DataSettings, Settings, own_paths
from pipelines.shared import entries
from pipelines.shared.entries import ARRAYS, TABLES
from pipelines.shared.errors import UserError, printable
from pipelines.shared.files import replacing

if TYPE_CHECKING:
    from gm_keras.data.source import Source

# What `source: table` takes alone.
OF_TABLES = ("columns", "drop", "label", "categories", "missing", "codes", "numbers")


def prepare(name: str, settings: DataSettings, output: Path, root: Path | None = None) -> None:
    """Decodes a data set once, and writes `<split>_<field>.npy` files and `dataset.json`.

    What was in the output folder is replaced only when everything is written, and only if it is a prepared data
    set. What a user should know of the data is told on standard error.

    Args:
        name: The data set's name; with `source: tfds` also TFDS' name, unless `path` gives
            that (`path: emnist/letters`).
        settings: Its entry under `data:`.
        output: The folder to write.
        root: What a relative `path` is relative to; by default the current folder.

    Raises:
        UserError: One line on what is wrong and where to mend it.
    """
    path = None if settings.source == "tfds" else _own_path(name, settings, root)
    if path is not None and (relation := own_paths.overlap(path, output)):
        raise UserError(
            f"{_where(name)}.path: {path} {relation} {output}, where the prepared arrays go: move your "
            "files to another folder"
        )
    own_paths.refuse_foreign(output)
    _check_options(name, settings, path)

    # Only now, for it takes seconds: the package imports Keras, and TFDS TensorFlow.
    from gm_keras.data import classes
    from gm_keras.data.splits import assign
    from gm_keras.data.writer import write

    with (
        _told_in_one_line(name, settings, path),
        tempfile.TemporaryDirectory(prefix="gm_keras_") as scratch,
    ):
        source = _opened(name, settings, path, scratch)
        if source.stream:
            plan = {split: {split: np.arange(n)} for split, n in source.splits.items()}
        else:
            labels = source.labels("train") if source.labels else None
            parts = settings.validation, settings.test
            plan = assign(source.splits, *parts, settings.seed, labels)
        with replacing(output) as folder:
            folder.mkdir()
            notes = write(source, plan, folder, name)
            # Now, for what cannot be read at all is the first thing to mend.
            classes.refuse_empty(source)
    for note in (*source.notes, *classes.missing(source, plan), *notes):
        print(f"note: data.{name}: {printable(note)}", file=sys.stderr, flush=True)


def described(name: str, settings: DataSettings, root: Path | None = None) -> "Source":
    """A data set as it is declared; of own files and data sets that need no download.

    Args:
        name: As for `prepare`.
        settings: Its entry under `data:`.
        root: What a relative `path` is relative to; by default the current folder.

    Raises:
        UserError: One line on what is wrong and where to mend it.
    """
    path = None if settings.source == "tfds" else _own_path(name, settings, root)
    _check_options(name, settings, path)
    from gm_keras.data.builders import BUILDERS

    if path is None and (settings.path or name) not in BUILDERS:
        raise UserError(
            f"data.{name} is not prepared yet, and TFDS has to build it first: dvc repro prepare@{name}"
        )
    with (
        _told_in_one_line(name, settings, path),
        tempfile.TemporaryDirectory(prefix="gm_keras_") as scratch,
    ):
        return _opened(name, settings, path, scratch)


def _opened(name: str, settings: DataSettings, path: Path | None, scratch: str) -> "Source":
    """A source, with what the settings make of its labels and pairs."""
    from gm_keras.data import classes
    from gm_keras.data.pairs import edges
    from gm_keras.data.source import DataError

    source = _source(name, settings, path, scratch)
    if "level" in settings.model_fields_set and not source.stream:
        raise DataError(f"{_where(name)}.level is for texts; remove it")
    if settings.renumber and source.class_names is None:
        raise DataError(f"{_where(name)}.renumber is for data with labels; remove it")
    source = classes.counted(source, settings.renumber)
    return edges(source) if settings.pairs == "edges" else source


@contextlib.contextmanager
def _told_in_one_line(name: str, settings: DataSettings, path: Path | None) -> Iterator[None]:
    """Raises what is wrong with the data as a `UserError` that names the data set."""
    from gm_keras.data.source import DataError

    try:
        yield
    except DataError as error:
        raise UserError(_told(str(error), name, settings, path)) from None
    except MemoryError:
        raise UserError(f"{_where(name)}: {path or name} does not fit into the memory") from None
    except OSError as error:
        where = error.filename or path or settings.path or name
        raise UserError(f"{_where(name)}: {where}: {error.strerror or error}") from None


def _told(message: str, name: str, settings: DataSettings, path: Path | None) -> str:
    """An error in one line that names the data set, and the user's folder or file."""
    message = printable(message)
    if message.startswith(_where(name)):
        return message
    if path is None:
        known = f'"{settings.path or name}"' in message
        return message if known else f"data.{name}: {message}"
    # What is wrong with one file of a folder names that.
    known = printable(str(path)) in message
    return (
        f"data.{name}: {message}" if known else f"data.{name} ({printable(str(path))}): {message}"
    )


def _source(name: str, settings: DataSettings, path: Path | None, scratch: str) -> "Source":
    size, length = settings.image_size, settings.length
    parts = {"validation": settings.validation, "test": settings.test}
    if path is None:
        from gm_keras.data.tfds_source import tfds_source

        return tfds_source(settings.path or name, scratch, size, length, settings.level, **parts)
    if settings.source == "table":
        from gm_keras.data.tables import Options, table_source

        options = Options(**{option: getattr(settings, option) for option in OF_TABLES})
        return table_source(path, options, **parts, seed=settings.seed)
    if path.is_dir():
        from gm_keras.data.folder import folder_source

        pairs = None if settings.pairs == "edges" else settings.pairs
        return folder_source(path, size, pairs, settings.background)
    if path.suffix == ".txt":
        from gm_keras.data.text import file_source

        return file_source(path, settings.level, **parts)
    from gm_keras.data.arrays import array_source

    return array_source(path, size, length, settings.renumber)


def _where(name: str) -> str:
    return f"params.yaml: data.{name}"


def _own_path(name: str, settings: DataSettings, root: Path | None) -> Path:
    where = _where(name)
    if not settings.path:
        what = "images or .npz file" if settings.source == "folder" else "CSV or Parquet file"
        raise UserError(f"{where} has source: {settings.source}, but no path: to the {what}")
    path = own_paths.expanded(root or Path.cwd(), settings.path, f"{where}.path")
    try:
        path.stat()
    except FileNotFoundError:
        raise UserError(f"{where}.path: there is no folder or file {path}") from None
    except OSError as error:
        raise UserError(f"{where}.path: {path} cannot be read: {error.strerror}") from None
    is_table = path.name.lower().endswith(TABLES)
    if settings.source == "table":
        if not path.is_dir() and not is_table:
            raise UserError(
                f"{where}.path: expected a .csv or .parquet file, or a folder with train.csv, not {path}"
            )
    elif not path.is_dir() and (path.suffix not in ARRAYS or not path.is_file()):
        hint = "; a table has source: table" if is_table else ""
        raise UserError(
            f"{where}.path: expected a folder of images, a .npz, .npy or .txt file, not {path}{hint}"
        )
    return path


def _check_options(name: str, settings: DataSettings, path: Path | None) -> None:
    """Refuses what would be ignored; the sources refuse what depends on what they hold."""
    table = settings.source == "table"
    text = path is not None and path.suffix == ".txt" and path.is_file() and not table
    if settings.pairs in ("side_by_side", "folders") and (path is None or not path.is_dir()):
        raise UserError(
            f"{_where(name)}.pairs: {settings.pairs} is for a folder of images (source: folder)"
        )
    for option, useless, use in (
        ("pairs", text or table, "images"),
        ("image_size", text or table, "images"),
        ("length", text or table or (path is not None and path.is_dir()), "audio"),
        ("level", path is not None and not text, "texts"),
        (
            "renumber",
            text or table or (path is not None and path.is_dir()),
            "labels that are numbers",
        ),
        (
            "background",
            path is None or table or not path.is_dir(),
            "images in a folder (source: folder)",
        ),
        *((option, not table, "tables (source: table)") for option in OF_TABLES),
    ):
        if useless and option in settings.model_fields_set and getattr(settings, option):
            raise UserError(f"{_where(name)}.{option} is for {use}; remove it")


def run(name: str, settings: Settings, root: Path) -> None:
    """Prepares the data set of this name in `params.yaml`."""
    if name not in settings.data:
        raise UserError(
            f'params.yaml has no data set "{name}" under data: '
            + entries.unknown(name, list(settings.data), root)
        )
    own_paths.check(settings, root)
    # Let a stop from outside (Prefect, kill) clean up too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Decoding has no use for a GPU, and TensorFlow would take all of its memory.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    # Nothing is computed here that oneDNN would speed up; with it TensorFlow prints four lines.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    output = root / "data" / name
    prepare(name, settings.data[name], output, root)
    _compare_batches(name, settings, output)


def _compare_batches(name: str, settings: Settings, output: Path) -> None:
    """Says which systems ask for larger batches than there are examples, before they are trained."""
    from gm_keras.data import PreparedData

    data = PreparedData(output)
    for key, system in settings.systems.items():
        wanted, size = system.fit.batch_size, data.size("train")
        if system.data == name and wanted > size:
            print(
                f"note: params.yaml: systems.{key}.fit.batch_size is {wanted}, but data.{name} has {size} "
                "examples to train on: set it to at most that",
                file=sys.stderr,
            )


if __name__ == "__main__":
    stage(run, "python -m pipelines.prepare NAME")
