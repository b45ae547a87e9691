"""Captions: text of any length as rows of one length, and back.

A caption is its bytes in UTF-8, filled up with 0, which no text has. So every language has the same 256 codes, none
is unknown, and the text comes back as it was.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Codes of a caption, the filling included.
LEVELS = 256
#: The bytes of the longest caption.
LONGEST = 4_096


def encode(texts: Sequence[str], length: int | None = None) -> np.ndarray:
    """Turns captions into codes.

    Args:
        texts: Any characters but the null character.
        length: Of a row; by default that of the longest.

    Returns:
        uint8 (len(texts), length): the bytes of each, then 0.

    Raises:
        ValueError: One line, for a caption that cannot be kept.
    """
    rows = [encoded(text) for text in texts]
    longest = max(map(len, rows), default=0)
    width = longest if length is None else length
    if longest > width:
        text = next(text for text, row in zip(texts, rows, strict=True) if len(row) > width)
        raise ValueError(
            f"a caption has {len(text.encode())} bytes, and there is room for {width}: {_cut(text)}"
        )
    codes = np.zeros((len(rows), width), "uint8")
    for row, content in zip(codes, rows, strict=True):
        row[: len(content)] = np.frombuffer(content, "uint8")
    return codes


def encoded(text: str) -> bytes:
    """The bytes of one caption; a `ValueError` in one line if it cannot be kept."""
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"a caption is no text: {_cut(text)}") from None
    if b"\0" in content:
        raise ValueError(f"a caption has a null character: {_cut(text)}")
    if len(content) > LONGEST:
        raise ValueError(
            f"a caption has {len(content):,} bytes, at most {LONGEST:,} can be kept: {_cut(text)}"
        )
    return content


def decode(codes: Any) -> list[str]:
    """Turns codes into captions.

    Args:
        codes: Integers `(n, length)` from 0 to 255. What comes after the first 0 is left out; bytes that are no
            UTF-8, as a model may make them, become the replacement character.

    Returns:
        n texts.
    """
    rows = np.asarray(codes).astype("uint8")
    return [bytes(row).split(b"\0", 1)[0].decode("utf-8", "replace") for row in rows]


def _cut(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
