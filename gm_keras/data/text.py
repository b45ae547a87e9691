"""Text as a stream of tokens: characters of its own alphabet, or bytes."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from gm_keras.data.source import DataError, Example, Field, Source, digest, token_dtype
from gm_keras.data.splits import cut
from gm_keras.reading import FileError, read_bytes, shown

READ_AT_ONCE = 65_536


def file_source(path: Path, level: str, validation: float, test: float) -> Source:
    """Reads a text file in UTF-8 (a byte-order mark at its start does not count).

    Args:
        path: The file. Its first part is for training, the next for validation, the last for
            testing: neighbouring sentences must not stand on both sides.
        level: `characters` or `bytes`; with `bytes` any file will do.
        validation: The part for validation.
        test: The part for testing.
    """
    try:
        content = read_bytes(path)
    except (FileError, FileNotFoundError) as error:
        raise DataError(str(error)) from None
    if level == "characters":
        content = content.removeprefix(b"\xef\xbb\xbf")
    return text_source(
        f"folder:{shown(path.name)}",
        digest(path),
        {"train": content},
        level,
        validation,
        test,
        path,
    )


def text_source(
    kind: str,
    version: str,
    texts: dict[str, bytes],
    level: str,
    validation: float,
    test: float,
    where: Path | str,
) -> Source:
    """Makes a stream of tokens of each text.

    The vocabulary of characters is that of the training text, in the order of their code points.
    A character that only another split has is an error: no honest likelihood can be given for it.

    Args:
        kind: Where the texts come from.
        version: Names their content.
        texts: The splits of the source, in UTF-8; `train` is among them. What is missing is cut
            from its end.
        level: `characters` or `bytes`.
        validation: The part of `train` that becomes `validation`, if there is none.
        test: Likewise for `test`.
        where: What errors call the texts.
    """
    codes = {split: _codes(text, level, f"{where} ({split})") for split, text in texts.items()}
    for split, rows in cut({split: len(each) for split, each in codes.items()}, validation, test):
        codes[split], codes["train"] = codes["train"][rows:], codes["train"][:rows]
    codes = {split: codes[split] for split in ("train", "validation", "test")}
    empty = [split for split, each in codes.items() if not len(each)]
    if empty:
        raise DataError(f"{where}: the text of {empty[0]} is empty")
    if level == "bytes":
        vocabulary, levels, streams = "bytes", 256, codes
    else:
        known = np.unique(codes["train"])
        vocabulary, levels = "".join(map(chr, known)), len(known)
        streams = {
            split: _encode(each, known, f"{where}: {split}") for split, each in codes.items()
        }
    return Source(
        kind=kind,
        version=version,
        fields={"tokens": Field((), token_dtype(levels), levels)},
        splits={split: len(each) for split, each in streams.items()},
        read=partial(_read, streams),
        stream=True,
        vocabulary=vocabulary,
    )


def _codes(text: bytes, level: str, where: str) -> np.ndarray:
    if level == "bytes":
        return np.frombuffer(text, "uint8")
    null = text.find(b"\0")
    if null >= 0:
        raise DataError(
            f"{where} has a null character, byte {null}, as UTF-16 and files that are no text have: convert "
            "it to UTF-8, or add level: bytes to the data set's entry under data: in params.yaml"
        )
    try:
        return np.frombuffer(text.decode("utf-8").encode("utf-32-le"), "<u4")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where} is not UTF-8: byte {error.start} is 0x{text[error.start]:02x}; convert it, "
            "or add level: bytes to the data set's entry under data: in params.yaml"
        ) from None


def _encode(codes: np.ndarray, known: np.ndarray, where: str) -> np.ndarray:
    table = np.full(sys.maxunicode + 1, -1, "int32")
    table[known] = np.arange(len(known))
    tokens = table[codes]
    wrong = np.flatnonzero(tokens < 0)
    if len(wrong):
        code = int(codes[wrong[0]])
        raise DataError(
            f"{where} has a character that the training text has not: {chr(code)!r} "
            f"(U+{code:04X}), at position {wrong[0]}; remove it, or add level: bytes to the data "
            "set's entry under data: in params.yaml"
        )
    return tokens.astype(token_dtype(len(known)))


def _read(streams: dict[str, np.ndarray], split: str) -> Iterator[Example]:
    for start in range(0, len(streams[split]), READ_AT_ONCE):
        yield {"tokens": streams[split][start : start + READ_AT_ONCE]}
