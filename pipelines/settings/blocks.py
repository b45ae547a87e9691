"""Lays one block of YAML over another, as text: the comments of what holds stay, those of what is replaced go."""

import re
from collections.abc import Sequence

from ruamel.yaml.comments import CommentedMap

from pipelines.settings.params_file import inline, merged, override, parse, section_rows, span

#: How comments begin that are true for any data: alternatives, and what the paper has.
GENERAL = ("or ", "as in the paper", "leave out", "false is")
# A value in quotes may hold what looks like a comment.
_COMMENT = re.compile(r"""^((?:[^#'"]|(?<=\S)#|'[^']*'|"[^"]*")*?)(?:\s+|^)#\s*(.*)$""")


def nested(text: str, *keys: str) -> list[str]:
    """Returns the lines of a block within blocks, at the left margin; one line for each key where it stands in braces."""
    rows: list[str] = []
    for key in keys:
        value = parse(text)[key]
        if not value:
            return []
        in_braces = value.fa.flow_style()
        rows = (
            [f"{name}: {inline(each)}" for name, each in value.items()]
            if in_braces
            else section_rows(text, key)
        )
        text = "\n".join(rows)
    return rows


def general(rows: list[str]) -> list[str]:
    """Returns lines without the comments that are about the data that they were tuned for."""
    kept = []
    for row in rows:
        found = _COMMENT.match(row)
        if found is None:
            kept.append(row)
            continue
        code, told = found[1].rstrip(), _general_part(found[2])
        if code.strip():
            kept.append(f"{code} # {told}" if told else code)
    return kept


def _general_part(told: str) -> str:
    """What of a comment is true for any data: figures behind a colon were measured on some."""
    before, colon, after = told.partition(":")
    told = before if colon and re.search(r"\d", after) else told
    return told if told.startswith(GENERAL) and not re.search(r"\d", told) else ""


def comment(rows: list[str], key: str) -> str:
    """The comment behind an entry of a block; empty if there is none, or no such entry."""
    content = parse("\n".join(rows)) if rows else {}
    found = _COMMENT.match(rows[content.lc.key(key)[0]]) if key in content else None
    return found[2] if found else ""


def without(rows: list[str], *path: str) -> list[str]:
    """Returns the lines of a block without one entry, such as `filters` in `model`, if it is there."""
    key, *rest = path
    content = parse("\n".join(rows))
    if key not in content:
        return rows
    if not rest:
        first, after = _with_comments(rows, content, key)
        return rows[:first] + rows[after:]
    value = content[key]
    if value.fa.flow_style():
        left = {name: each for name, each in value.items() if name != rest[0]}
        return override(
            [*rows[: content.lc.key(key)[0]], f"{key}: {{}}", *rows[content.lc.key(key)[0] + 1 :]],
            {key: left},
        )
    first, after = span(rows, content, key)
    inner = without(section_rows("\n".join(rows), key), *rest)
    return [*rows[: first + 1], *("  " + row for row in inner), *rows[after:]]


def leaving_out(rows: list[str], keys: Sequence[str]) -> list[str]:
    """Returns the lines of a block without some of its entries."""
    for key in keys:
        rows = without(rows, key)
    return rows


def overlay(rows: list[str], changes: list[str]) -> list[str]:
    """Changes entries of a block; what is changed brings its own comments.

    Args:
        rows: The lines of a block-style mapping at the left margin.
        changes: Likewise, what is different; mappings are merged entry by entry.
    """
    if not changes:
        return rows
    given = parse("\n".join(changes))
    for key, value in given.items():
        content = parse("\n".join(rows))
        begin, end = _with_comments(changes, given, key)
        new = changes[begin:end]
        if key not in content:
            rows = [*rows, *new]
            continue
        old = content[key]
        first, after = span(rows, content, key)
        both = isinstance(old, CommentedMap) and isinstance(value, CommentedMap) and old and value
        head, lead = given.lc.key(key)[0], changes[begin : given.lc.key(key)[0]]
        told = _COMMENT.match(changes[head])
        behind = f" # {told[2]}" if told else ""
        if both and not old.fa.flow_style():
            inner = nested("\n".join(changes), key)
            if (
                behind and len(inner) == 1 and value.fa.flow_style()
            ):  # the comment is of that one entry
                inner, behind = [inner[0] + behind], ""
            inner = overlay(section_rows("\n".join(rows), key), inner)
            new = [*lead, f"{key}:{behind}", *("  " + row for row in inner)]
        elif both:
            new = [*lead, f"{key}: {inline(merged(old, value))}{behind}"]
        rows = [*rows[:first], *new, *rows[after:]]
    return rows


def _with_comments(rows: list[str], content: CommentedMap, key: str) -> tuple[int, int]:
    """The first line of an entry, from the comments that introduce it on, and the line after its last."""
    first, after = span(rows, content, key)
    while first and rows[first - 1].lstrip().startswith("#"):
        first -= 1
    return first, after
