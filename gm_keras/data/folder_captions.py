"""Captions of a folder of images: a text file beside each image."""

from pathlib import Path

from gm_keras.data.source import DataError
from gm_keras.fields import captions
from gm_keras.reading import FileError, read_bytes, shown

CAPTION = ".txt"


def captions_beside(files: list[Path]) -> dict[Path, bytes]:
    """Reads the captions of images.

    Args:
        files: The images.

    Returns:
        By image the UTF-8 of its caption, without blanks and line ends around it; empty if no image has one.

    Raises:
        DataError: Some images have a caption and others not, or a file is no caption.
    """
    beside = {file: file.with_suffix(CAPTION) for file in files}
    there = [file for file, text in beside.items() if text.is_file()]
    if not there:
        return {}
    if len(there) < len(files):
        without = next(file for file in files if not beside[file].is_file())
        raise DataError(
            f"{shown(without)} has no caption, but {len(there)} of {len(files)} images have one: add "
            f"{shown(beside[without].name)}, or move the text files to another folder"
        )
    return {file: _read(beside[file]) for file in files}


def _read(file: Path) -> bytes:
    try:
        text = read_bytes(file).decode("utf-8-sig").strip()
        return captions.encoded(text)
    except UnicodeDecodeError as error:
        raise DataError(f"{shown(file)} is not UTF-8: byte {error.start}; convert it") from None
    except (FileError, FileNotFoundError) as error:
        raise DataError(str(error)) from None
    except ValueError as error:
        raise DataError(f"{shown(file)}: {error}") from None
