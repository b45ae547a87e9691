"""The line that `params.yaml` lacks where somebody names a data set that is not under `data:`."""

import re
from pathlib import Path

from pipelines.shared.errors import nearest, printable

#: What the names of tables end with.
TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
#: Other files of a user's that can be prepared.
ARRAYS = (".npz", ".npy", ".txt")
# Of a name or a path; longer ones are no data set's.
_LONGEST = 64


def unknown(name: str, known: list[str], folder: Path) -> str:
    """The end of an error line: what was perhaps meant, and the line to paste for a new data set.

    Args:
        name: That is not known; also the name of a file or folder.
        known: The names that are.
        folder: Of the project, in which files of that name are looked for.

    Returns:
        For example `Known: digits; to add it, paste under data: cats: { source: folder, path: cats }`.
    """
    said, found = nearest(name, sorted(known)), _found(name, folder)
    if "did you mean" in said and found is None:
        return said
    return f"{said}; to add it, paste this line under data: in params.yaml: {_line(name, found)}"


def _line(name: str, found: str | None) -> str:
    key = re.sub(r"\W+", "_", Path(name).name.partition(".")[0], flags=re.ASCII).strip("_") or "own"
    key = (key if key[0].isalpha() else f"own_{key}")[:_LONGEST]
    path = found or name[: 4 * _LONGEST]
    if path.lower().endswith(TABLES):
        return f"{key}: {{ source: table, path: {_quoted(path)} }}"
    if found or path.lower().endswith(ARRAYS) or "/" in path:
        return f"{key}: {{ source: folder, path: {_quoted(path)} }}"
    return (
        f"{key}: {{ source: tfds }}, or with files of yours {{ source: folder, path: ... }} (images, arrays, text) or "
        "{ source: table, path: ... } (CSV, Parquet) after its name"
    )


def _found(name: str, folder: Path) -> str | None:
    """A file or folder that is called so."""
    for suffix in ("", *TABLES, *ARRAYS):
        path = f"{name}{suffix}"
        try:
            if (folder / Path(path).expanduser()).exists() and path not in ("", ".", "data"):
                return path
        except (OSError, ValueError, RuntimeError):
            return None
    return None


def _quoted(path: str) -> str:
    """A path as a value of YAML within braces."""
    return path if re.fullmatch(r"[\w./~-]+", path) else f'"{printable(path)}"'
