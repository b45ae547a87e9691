"""Edits YAML text as lines: what is not changed stays as it was, byte for byte, comments too.

A round trip of the whole file through a YAML library would put a new entry behind the comments
that introduce the *next* section, because such comments hang on the last value before them. Here
the library says where entries stand, and the caller checks what the new text reads as.
"""

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.compat import StringIO

from pipelines.shared import yaml_file
from pipelines.shared.errors import UserError
from pipelines.shared.files import replacing


@lru_cache(maxsize=128)  # the same texts are read again and again while they are edited
def parse(text: str) -> CommentedMap:
    """Reads YAML text whose top is a mapping; each mapping knows the lines of its keys. It is not to be changed."""
    content = YAML().load(text)
    if content is None:
        return CommentedMap()
    if not isinstance(content, CommentedMap):
        raise TypeError(f"expected keys and values, came {type(content).__name__}")
    return content


def read(path: Path) -> str:
    """Returns the text of a YAML file after a look at whether it can be read.

    Raises:
        UserError: The file is missing, not YAML, or something else than keys and values.
    """
    text = yaml_file.read(path)
    content = yaml_file.parse(text, path.name)
    if content is not None and not isinstance(content, dict):
        raise UserError(f"{path} must hold keys and values; see the README for an example")
    return text


def with_entry(text: str, section: str, key: str, rows: list[str]) -> str:
    """Returns a YAML text with one more entry in a top-level section.

    Args:
        text: The YAML text.
        section: The name of a top-level mapping; it is made if it is missing or empty.
        key: The new entry's key.
        rows: The entry's value: the lines of a block, or one line such as `{a: 1}`.
    """
    content = parse(text)
    lines = text.splitlines()
    entries = content.get(section)
    if entries and entries.fa.flow_style():
        raise UserError(f'"{section}:" stands in braces: write one entry a line, then try again')
    if entries:
        indent = entries.lc.col
        _, at = span(lines, content, section)
    else:
        indent = 2
        if section in content:  # `section:` alone or `section: {}`
            at = content.lc.key(section)[0] + 1
            comment = lines[at - 1].partition("#")[1:]
            lines[at - 1] = f"{section}:" + (" " + "".join(comment) if comment[0] else "")
        else:
            lines.append(f"{section}:")
            at = len(lines)
    lines[at:at] = _entry(key, rows, indent)
    return "\n".join(lines) + "\n"


def section_rows(text: str, section: str) -> list[str]:
    """Returns the lines of a top-level section's block, shifted to the left margin."""
    content = parse(text)
    lines = text.splitlines()
    first, after = span(lines, content, section)
    indent = content[section].lc.col
    return [row[indent:] if not row[:indent].strip() else row for row in lines[first + 1 : after]]


def override(rows: list[str], changes: dict[str, Any], note: str = "") -> list[str]:
    """Changes values in the lines of a block; the comments of changed lines go with them.

    Args:
        rows: The lines of a block-style mapping at the left margin.
        changes: New values; mappings are merged key by key.
        note: A comment for each changed line.
    """
    for key, value in changes.items():
        content = parse("\n".join(rows))
        old = content.get(key)
        if isinstance(old, CommentedMap) and isinstance(value, dict):
            if old and not old.fa.flow_style():
                inner = section_rows("\n".join(rows), key)
                first, after = span(rows, content, key)
                rows = [
                    *rows[: first + 1],
                    *("  " + row if row.strip() else "" for row in override(inner, value, note)),
                    *rows[after:],
                ]
                continue
            value = merged(old, value)
        line = f"{key}: {inline(value)}" + (f" # {note}" if note else "")
        first, after = span(rows, content, key) if key in content else (len(rows), len(rows))
        rows = [*rows[:first], line, *rows[after:]]
    return rows


def merged(old: Any, new: Any) -> Any:
    """Returns `old` with the values of `new`; mappings are merged key by key."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    kept = {key: value for key, value in old.items() if key not in new}
    order = list(old) + [key for key in new if key not in old]
    return {key: kept[key] if key in kept else merged(old.get(key), new[key]) for key in order}


def span(lines: list[str], content: CommentedMap, key: str) -> tuple[int, int]:
    """Returns the first line of an entry and the line after its last content.

    Comments and empty lines at its end introduce what follows, so they do not count.
    """
    first, column = content.lc.key(key)
    last = first
    for number in range(first + 1, len(lines)):
        row = lines[number].lstrip()
        if not row or row.startswith("#"):
            continue
        depth = len(lines[number]) - len(row)
        if depth < column or (depth == column and not row.startswith("- ")):
            break
        last = number
    return first, last + 1


def inline(value: Any) -> str:
    """Writes a value as YAML in one line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.width = 10_000
    yaml.sort_base_mapping_type_on_output = False
    stream = StringIO()
    # As the value of a key: in a list a mapping of one key would lose its braces.
    yaml.dump({"key": _plain(value)}, stream)
    return stream.getvalue().strip().removeprefix("{key: ").removesuffix("}")


def _plain(value: Any) -> Any:
    """Numbers and words without what a round trip remembers of how they were written."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def write(path: Path, text: str) -> None:
    """Replaces a file in one step: a reader sees the old text or the new, never half of it."""
    with replacing(path.resolve()) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        shutil.copymode(path, temporary)


def _entry(key: str, rows: list[str], indent: int) -> list[str]:
    margin = " " * indent
    if len(rows) == 1 and rows[0].startswith("{"):
        return [f"{margin}{key}: {rows[0]}"]
    return [f"{margin}{key}:", *(f"{margin}  {row}" if row.strip() else "" for row in rows)]
