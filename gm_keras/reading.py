"""Files as others left them: whatever is wrong with one is told in one line, before or instead of a traceback.

Opening a pipe waits for its other end, and opening a device may do anything, so every path is looked at
before it is opened.
"""

import contextlib
import json
import os
import stat
from collections import Counter
from pathlib import Path
from typing import Any

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class FileError(ValueError):
    """A file that cannot be read, or holds something else: one line that names it."""


def shown(name: str | os.PathLike[str]) -> str:
    """A name for a message or a JSON file: in one line, and text whatever bytes it is made of.

    Bytes that are not UTF-8, and characters that are not for printing, stand as backslash escapes.
    """
    text = os.fspath(name)
    # A name as the system has it may be decoded as anything; only UTF-8 is the same everywhere.
    with contextlib.suppress(UnicodeError):
        text = os.fsencode(text).decode("utf-8", "surrogateescape")
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    # How Python keeps a byte that is no text.
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def check_file(path: str | os.PathLike[str]) -> None:
    """Looks at a path without opening it.

    Raises:
        FileNotFoundError: Nothing is there, or a link that leads nowhere; one line.
        FileError: It is no ordinary file, or it may not be read; one line.
    """
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        link = Path(path).is_symlink()
        raise FileNotFoundError(
            f"{shown(path)} is {'a link that leads nowhere' if link else 'missing'}"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise FileError(f"{shown(path)} cannot be read: {_reason(error)}") from None
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            raise FileError(f"{shown(path)} is {kind}, not a file")
    if not os.access(path, os.R_OK):
        raise FileError(f"{shown(path)} cannot be read: permission denied")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: It is missing; one line.
        FileError: It cannot be read; one line.
    """
    check_file(path)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"{shown(path)} cannot be read: {_reason(error)}") from None
    except MemoryError:
        raise FileError(f"{shown(path)} is too large for the memory") from None


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file in UTF-8.

    Raises:
        FileNotFoundError: It is missing; one line.
        FileError: It cannot be read, or is not UTF-8; one line.
    """
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(
            f"{shown(path)} is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}"
        ) from None


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a file that holds one JSON object.

    Raises:
        FileNotFoundError: It is missing; one line.
        FileError: It cannot be read or is damaged; one line.
    """
    return parse_json(read_text(path), shown(path))


def parse_json(text: str | bytes, where: str) -> dict[str, Any]:
    """One JSON object: as the standard has it (no NaN, no key twice).

    Args:
        text: The text, or its bytes in UTF-8.
        where: What the error calls it.

    Raises:
        FileError: It is something else; one line.
    """
    content = parse_value(text, where)
    if not isinstance(content, dict):
        raise FileError(f"{where} is damaged: it holds {_named(content)} instead of an object")
    return content


def parse_value(text: str | bytes, where: str) -> Any:
    """As `parse_json`, for any value of JSON."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it is nested too deep"
        raise FileError(f"{where} is damaged: {' '.join(reason.split())}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {json.dumps(twice)} is there twice")
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _named(content: Any) -> str:
    if content is None:
        return "null"
    names = {bool: "true or false", str: "a text", list: "a list"}
    return names.get(type(content), "a number")


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
