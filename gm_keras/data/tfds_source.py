"""Data sets of TensorFlow Datasets (TFDS): its own, and those of `gm_keras.data.builders`."""

import contextlib
import io
import logging
import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial

import numpy as np
import tensorflow_datasets as tfds

from gm_keras.data import downloads
from gm_keras.data.builders import BUILDERS
from gm_keras.data.source import DataError, Example, Field, Source, fit_square_array
from gm_keras.data.splits import ALIASES

NAME = re.compile(r"[A-Za-z]\w*(/[\w.\-]+)?(:\d+\.\d+\.\d+)?")
READ_AT_ONCE = 256


def tfds_source(name: str, scratch: str, image_size: int | None = None) -> Source:
    """Builds a TFDS data set, downloading it if need be.

    Args:
        name: As TFDS calls it, for example `mnist` or `emnist/letters`, or a key of `BUILDERS`.
        scratch: A folder for our own sets: they are built anew each time, so that a change of
            their code is never hidden by an older build.
        image_size: Scale and cut images to this height and width; None leaves them alone.

    Returns:
        A source whose splits are the data set's `train` and, if there, `validation` and `test`.

    Raises:
        DataError: There is no such data set, it cannot be downloaded, or it is none of images
            or vectors of one size.
    """
    for noisy in ("absl", "urllib3", "tensorflow"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    builder = _builder(name, scratch)
    fields, levels = _fields(builder, name, image_size)
    _build(builder, name)
    aliases = {split: alias for alias, split in ALIASES.items() if alias in builder.info.splits}
    if "train" not in aliases:
        known = ", ".join(builder.info.splits)
        raise DataError(f'TFDS data set "{name}" has no split "train"; it has {known}')
    label = builder.info.features["label"] if "label" in fields else None
    return Source(
        kind=f"tfds:{name}",
        version=str(builder.version),
        fields=fields,
        splits={split: builder.info.splits[alias].num_examples for split, alias in aliases.items()},
        read=partial(_read, builder, aliases, fields, image_size),
        levels=levels,
        class_names=tuple(label.names) if label is not None else None,
    )


def _builder(name: str, scratch: str) -> tfds.core.DatasetBuilder:
    if name in BUILDERS:
        return BUILDERS[name](data_dir=scratch)
    if not NAME.fullmatch(name):
        raise DataError(f'"{name}" is no name of a TFDS data set, such as mnist or emnist/letters')
    try:
        return tfds.builder(name, data_dir=downloads.data_dir())
    except tfds.core.DatasetNotFoundError:
        close = get_close_matches(name, [*BUILDERS, *tfds.list_builders()], n=1)
        hint = f'did you mean "{close[0]}"? ' if close else ""
        raise DataError(
            f'TFDS has no data set "{name}": {hint}Ours: {", ".join(BUILDERS)}; the others are '
            "listed at https://www.tensorflow.org/datasets/catalog"
        ) from None
    except Exception as error:  # TFDS raises what it likes for configurations and versions
        raise DataError(f'TFDS cannot open "{name}": {_line(error)}') from None


def _build(builder: tfds.core.DatasetBuilder, name: str) -> None:
    if builder.is_prepared():
        return
    addresses = downloads.missing(builder)
    if name not in BUILDERS:
        print(f"{name}: TFDS builds it in {downloads.data_dir()}", file=sys.stderr, flush=True)
    if addresses:
        downloads.require_network(name, addresses)
    # TFDS' bars fill a log file with thousands of lines.
    tfds.display_progress_bar(sys.stderr.isatty() and name not in BUILDERS)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(
                download_dir=downloads.download_dir(),
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
    except Exception as error:  # downloads, checksums, unpacking, manual steps: all the user's
        # What requests raises is an OSError too, but has no number.
        if isinstance(error, OSError) and error.errno is not None:
            where = error.filename or downloads.data_dir()
            raise DataError(
                f'TFDS cannot write {where} for data set "{name}" ({error.strerror}): set '
                "TFDS_DATA_DIR to a folder that can be written and has room"
            ) from None
        if addresses:
            raise DataError(downloads.unavailable(name, _line(error))) from None
        raise DataError(
            f'TFDS could not build data set "{name}" ({_line(error)}): delete its files in '
            f"{downloads.download_dir()}, and prepare again"
        ) from None


def _fields(
    builder: tfds.core.DatasetBuilder, name: str, image_size: int | None
) -> tuple[dict[str, Field], int | None]:
    features = builder.info.features
    keys = features.keys() if isinstance(features, tfds.features.FeaturesDict) else ()
    levels = (builder.info.metadata or {}).get("levels")
    fields: dict[str, Field] = {}
    if "image" in keys and isinstance(features["image"], tfds.features.Image):
        shape, dtype = tuple(features["image"].shape), np.dtype(features["image"].np_dtype)
        if dtype != np.uint8 or shape[-1] not in (1, 3):
            raise DataError(
                f'TFDS data set "{name}": its images are {dtype} {shape}; expected uint8 with 1 '
                "or 3 channels"
            )
        if image_size is not None:
            if levels is not None:
                raise DataError(
                    f'image_size does not go with data set "{name}": its pixels have {levels} '
                    "levels, and scaling needs 256; remove image_size"
                )
            shape = (image_size, image_size, shape[-1])
        if None in shape:
            raise DataError(
                f'TFDS data set "{name}": its images have different sizes; add image_size to its '
                "entry under data: in params.yaml to scale and cut them, for example "
                "image_size: 64"
            )
        fields["image"] = Field(shape, "uint8")
    elif "features" in keys and len(features["features"].shape) == 1:
        shape = tuple(features["features"].shape)
        if None in shape or not np.issubdtype(features["features"].np_dtype, np.floating):
            raise DataError(f'TFDS data set "{name}": its features are no vectors of one size')
        fields["features"] = Field(shape, "float32")
    else:
        raise DataError(
            f'TFDS data set "{name}" has no "image": it has {", ".join(keys) or features}; '
            "only images (or vectors named features) can be prepared"
        )
    if "label" in keys and isinstance(features["label"], tfds.features.ClassLabel):
        fields["label"] = Field((), "int32")
    return fields, levels


def _read(
    builder: tfds.core.DatasetBuilder,
    aliases: dict[str, str],
    fields: dict[str, Field],
    image_size: int | None,
    split: str,
) -> Iterator[Example]:
    dataset = builder.as_dataset(
        split=aliases[split],
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(dict.fromkeys(fields, True)),
        # One file after the other: the order must not depend on a default of TFDS.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    # Images that are still to be scaled cannot be stacked.
    together = 1 if image_size else READ_AT_ONCE
    try:
        for batch in tfds.as_numpy(dataset.batch(together)):
            for row in range(len(batch[next(iter(fields))])):
                example = {field: batch[field][row] for field in fields}
                if image_size:
                    example["image"] = fit_square_array(example["image"], image_size)
                yield example
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{builder.data_dir} cannot be read ({_line(error)}): delete that folder, and "
            "prepare again"
        ) from None


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
