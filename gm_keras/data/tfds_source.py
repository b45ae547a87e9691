"""Data sets of TensorFlow Datasets (TFDS): its own, and those of `gm_keras.data.builders`."""

import contextlib
import io
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np

from gm_keras.data import downloads, tfds_extras
from gm_keras.data.audio import fitted
from gm_keras.data.builders import BUILDERS
from gm_keras.data.source import DataError, Example, Field, Source, fit_square_array
from gm_keras.data.splits import ALIASES
from gm_keras.data.text import text_source
from gm_keras.data.tfds import tfds
from gm_keras.fields import ATTRIBUTE

NAME = re.compile(r"[A-Za-z]\w*(/[\w.\-]+)?(:\d+\.\d+\.\d+)?")
READ_AT_ONCE = 256


def tfds_source(
    name: str,
    scratch: str,
    image_size: int | None = None,
    length: int | None = None,
    level: str = "characters",
    validation: float = 0.1,
    test: float = 0.1,
) -> Source:
    """Builds a TFDS data set, downloading it if need be.

    Args:
        name: As TFDS calls it, for example `mnist` or `emnist/letters`, or a key of `BUILDERS`.
        scratch: A folder for our own sets: they are built anew each time, so that a change of
            their code is never hidden by an older build.
        image_size: Scale and cut images to this height and width; None leaves them alone.
        length: Cut recordings to so many samples, or fill them up with silence; cut videos to so many frames, or
            repeat the last one.
        level: What the tokens of a text are: `characters` or `bytes`.
        validation: The part at the end of a text that becomes `validation`, if there is none.
        test: Likewise for `test`.

    Returns:
        A source whose splits are the data set's `train` and, if there, `validation`, `test` and `unseen`.

    Raises:
        DataError: There is no such data set, it cannot be downloaded, or it is none of images,
            videos, voxels, vectors or recordings of one size, nor a text.
    """
    for noisy in ("absl", "urllib3", "tensorflow"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    builder = _builder(name, scratch)
    fields = _fields(builder, name, image_size, length)
    _build(builder, name)
    aliases = {split: alias for alias, split in ALIASES.items() if alias in builder.info.splits}
    if "train" not in aliases:
        known = ", ".join(builder.info.splits)
        raise DataError(f'TFDS data set "{name}" has no split "train"; it has {known}')
    kind, version = f"tfds:{name}", str(builder.version)
    if "text" in fields:
        texts = _texts(builder, aliases, name)
        return text_source(kind, version, texts, level, validation, test, f'TFDS data set "{name}"')
    features = builder.info.features
    label = features["label"] if "label" in fields else None
    audio = features["audio"] if "audio" in fields else None
    if "image" in fields and (key := tfds_extras.mask_key(features)):
        where = f'TFDS data set "{name}"'
        fields["mask"] = tfds_extras.mask(features[key], fields["image"], image_size, where)
    if "caption" in features and isinstance(features["caption"], tfds.features.Text):
        fields["caption"] = _captions(builder, aliases, name)
    attributes = tfds_extras.attributes(features)
    return Source(
        kind=kind,
        version=version,
        fields=fields,
        splits={split: builder.info.splits[alias].num_examples for split, alias in aliases.items()},
        read=partial(_read, builder, aliases, fields, tuple(attributes), image_size),
        class_names=tuple(label.names) if label is not None else None,
        labels=partial(_labels, builder, aliases) if label is not None else None,
        sample_rate=getattr(audio, "sample_rate", None),
        mixture=(builder.info.metadata or {}).get("mixture") if "features" in fields else None,
        attributes=attributes,
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
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            # pydub misses ffmpeg, which most sets have no use for; those that have say so.
            warnings.filterwarnings("ignore", module="pydub")
            builder.download_and_prepare(
                download_dir=downloads.download_dir(),
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
    except Exception as error:  # downloads, checksums, unpacking, manual steps: all the user's
        needed = _needed(error)
        if needed is not None:
            raise DataError(f'TFDS needs {needed} for data set "{name}"; install it') from None
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
    builder: tfds.core.DatasetBuilder, name: str, image_size: int | None, length: int | None
) -> dict[str, Field]:
    features = builder.info.features
    keys = features.keys() if isinstance(features, tfds.features.FeaturesDict) else ()
    for key, kind, field in (
        ("image", tfds.features.Image, partial(_image, builder, image_size=image_size)),
        ("video", tfds.features.Video, partial(_video, builder, length=length)),
        ("audio", tfds.features.Audio, partial(_audio, builder, length=length)),
        ("text", tfds.features.Text, lambda where: Field((), "uint8")),
        ("voxels", tfds.features.Tensor, partial(_voxels, builder)),
        ("features", tfds.features.FeatureConnector, partial(_vector, builder)),
    ):
        if key in keys and isinstance(features[key], kind):
            fields = {key: field(f'TFDS data set "{name}"')}
            break
    else:
        raise DataError(
            f'TFDS data set "{name}" has no "image": it has {", ".join(keys) or features}; only '
            'images, a "video", "audio", a "text", "voxels", or vectors named "features" can be prepared'
        )
    for option, value, wanted in (
        ("image_size", image_size, ("image",)),
        ("length", length, ("audio", "video")),
    ):
        if value is not None and not set(wanted) & set(fields):
            raise DataError(
                f'{option} does not go with data set "{name}", which has no {" or ".join(wanted)}; remove it'
            )
    if "label" in keys and isinstance(features["label"], tfds.features.ClassLabel):
        fields["label"] = Field((), "int32")
    return fields


def _image(builder: tfds.core.DatasetBuilder, where: str, image_size: int | None) -> Field:
    feature = builder.info.features["image"]
    levels = (builder.info.metadata or {}).get("levels")
    shape, dtype = tuple(feature.shape), np.dtype(feature.np_dtype)
    if dtype != np.uint8 or shape[-1] not in (1, 3):
        raise DataError(
            f"{where}: its images are {dtype} {shape}; expected uint8 with 1 or 3 channels"
        )
    if image_size is not None:
        if levels is not None:
            raise DataError(
                f"{where}: image_size does not go with it: its pixels have {levels} levels, and "
                "scaling needs 256; remove image_size"
            )
        shape = (image_size, image_size, shape[-1])
    if None in shape:
        raise DataError(
            f"{where}: its images have different sizes; add image_size to its entry under data: "
            "in params.yaml to scale and cut them, for example image_size: 64"
        )
    return Field(shape, "uint8", levels)


def _audio(builder: tfds.core.DatasetBuilder, where: str, length: int | None) -> Field:
    feature = builder.info.features["audio"]
    shape, rate = tuple(feature.shape), getattr(feature, "sample_rate", None)
    if len(shape) != 1:
        raise DataError(f"{where}: its recordings have several channels; only one can be prepared")
    if length is None and shape[0] is None:
        unit = f"in samples, {rate} a second" if rate else "in samples"
        raise DataError(
            f"{where}: its recordings have different lengths; add length to its entry under data: "
            f"in params.yaml ({unit}) to cut or fill them up, for example length: {rate or 8192}"
        )
    return Field((length or shape[0],), "int16")


def _video(builder: tfds.core.DatasetBuilder, where: str, length: int | None) -> Field:
    feature = builder.info.features["video"]
    shape, dtype = tuple(feature.shape), np.dtype(feature.np_dtype)
    if dtype != np.uint8 or len(shape) != 4 or shape[-1] not in (1, 3) or None in shape[1:]:
        raise DataError(
            f"{where}: its videos are {dtype} {shape}; expected uint8 (frames, height, width, 1 or 3) of one size"
        )
    if length is None and shape[0] is None:
        raise DataError(
            f"{where}: its videos have different lengths; add length to its entry under data: in params.yaml "
            "(in frames) to cut or fill them up, for example length: 16"
        )
    return Field((length or shape[0], *shape[1:]), "uint8")


def _voxels(builder: tfds.core.DatasetBuilder, where: str) -> Field:
    feature = builder.info.features["voxels"]
    shape, dtype = tuple(feature.shape), np.dtype(feature.np_dtype)
    if dtype not in (np.uint8, np.bool_) or None in shape or len(shape) not in (3, 4):
        raise DataError(
            f"{where}: its voxels are {dtype} {shape}; expected uint8 or bool (depth, height, width, 1 or 3)"
        )
    shape = shape if len(shape) == 4 else (*shape, 1)
    if shape[-1] not in (1, 3):
        raise DataError(f"{where}: its voxels have {shape[-1]} channels; expected 1 or 3")
    return Field(shape, "uint8", 2 if dtype == np.bool_ else None)


def _vector(builder: tfds.core.DatasetBuilder, where: str) -> Field:
    feature = builder.info.features["features"]
    shape = tuple(feature.shape or ())
    if len(shape) != 1 or None in shape or not np.issubdtype(feature.np_dtype, np.floating):
        raise DataError(f"{where}: its features are no vectors of one size")
    return Field(shape, "float32")


def _texts(
    builder: tfds.core.DatasetBuilder, aliases: dict[str, str], name: str
) -> dict[str, bytes]:
    texts = {}
    for split, alias in aliases.items():
        count = builder.info.splits[alias].num_examples
        if count != 1:
            raise DataError(
                f'TFDS data set "{name}" has {count} texts in {alias}; only one long text a split, '
                "as in tiny_shakespeare, can be prepared (or your own .txt file)"
            )
        (example,) = _read(builder, aliases, {"text": Field((), "uint8")}, (), None, split)
        texts[split] = example["text"]
    return texts


def _labels(builder: tfds.core.DatasetBuilder, aliases: dict[str, str], split: str) -> np.ndarray:
    batches = _batches(builder, aliases[split], {"label": True}, READ_AT_ONCE)
    try:
        return np.concatenate([batch["label"] for batch in batches])
    except Exception as error:
        raise _unreadable(builder, error) from None


def _captions(builder: tfds.core.DatasetBuilder, aliases: dict[str, str], name: str) -> Field:
    def batches(split: str, wanted: dict) -> Iterator[dict[str, np.ndarray]]:
        return _batches(builder, split, wanted, READ_AT_ONCE)

    try:
        return tfds_extras.caption(list(aliases.values()), batches, f'TFDS data set "{name}"')
    except DataError:
        raise
    except Exception as error:
        raise _unreadable(builder, error) from None


def _read(
    builder: tfds.core.DatasetBuilder,
    aliases: dict[str, str],
    fields: dict[str, Field],
    attributes: tuple[str, ...],
    image_size: int | None,
    split: str,
) -> Iterator[Example]:
    # What is still to be brought to one size cannot be stacked.
    together = 1 if image_size or {"audio", "video"} & set(fields) else READ_AT_ONCE
    keys = {field: field for field in fields}
    if "mask" in fields:
        keys["mask"] = tfds_extras.mask_key(builder.info.features)
    wanted: dict[str, Any] = dict.fromkeys(keys.values(), True)
    if attributes:
        wanted[tfds_extras.ATTRIBUTES] = dict.fromkeys(attributes, True)
    seen = 0
    try:
        for batch in _batches(builder, aliases[split], wanted, together):
            known = batch.get(tfds_extras.ATTRIBUTES, {})
            for row in range(len(batch[next(iter(wanted))])):
                example = {field: batch[key][row] for field, key in keys.items()}
                example |= {ATTRIBUTE + name: known[name][row] for name in attributes}
                _fit(example, fields, image_size, f"{builder.name}: %s {seen} of {split}")
                seen += 1
                yield example
    except DataError:
        raise
    except Exception as error:
        raise _unreadable(builder, error) from None


def _fit(example: Example, fields: dict[str, Field], image_size: int | None, where: str) -> None:
    """Brings what TFDS has to the shape in which it is stored."""
    if image_size:
        example["image"] = fit_square_array(example["image"], image_size)
        if "mask" in fields:
            example["mask"] = fit_square_array(example["mask"], image_size, classes=True)
    if "audio" in fields:
        length = fields["audio"].shape[0]
        example["audio"] = fitted(example["audio"], length, where % "recording")
    if "video" in fields:
        frames = np.arange(fields["video"].shape[0])
        example["video"] = example["video"][np.minimum(frames, len(example["video"]) - 1)]
    if "voxels" in fields:
        example["voxels"] = example["voxels"].reshape(fields["voxels"].shape)
    if "caption" in fields:
        if b"\0" in example["caption"]:
            raise DataError(f"{where % 'caption'} has a null character")
        row = np.frombuffer(example["caption"], "uint8")
        example["caption"] = np.pad(row, (0, fields["caption"].shape[0] - len(row)))


def _batches(
    builder: tfds.core.DatasetBuilder, split: str, fields: dict[str, Any], size: int
) -> Iterator[dict[str, Any]]:
    dataset = builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(fields),
        # One file after the other: the order must not depend on a default of TFDS.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    return tfds.as_numpy(dataset.batch(size))


def _unreadable(builder: tfds.core.DatasetBuilder, error: Exception) -> DataError:
    return DataError(
        f"{builder.data_dir} cannot be read ({_line(error)}): delete that folder, and prepare again"
    )


def _needed(error: Exception) -> str | None:
    """What an error says is not installed; TFDS words such errors anew, so only their text tells."""
    if isinstance(error, ImportError):
        found = re.search(r"No module named '(\w+)", str(error))
        return f"the package {found[1] if found else error.name}"
    # What pydub calls to read anything but WAV.
    return "the program ffmpeg" if re.search("ffmpeg|ffprobe", str(error)) else None


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
