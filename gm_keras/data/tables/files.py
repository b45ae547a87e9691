"""CSV and Parquet files as columns, and columns as such files. What is wrong with a file is one line."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from gm_keras.data.source import DataError
from gm_keras.reading import FileError, check_file, shown

#: What the names of tables end with.
CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
PARQUET = ".parquet"
DELIMITERS = ",;\t"
# Of a CSV file so much is read to know its columns.
BEGINNING = 2**20
# So many names stand in a message.
_NAMED = 5


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name."""
    return path.name.lower().endswith((*CSV, PARQUET))


def read(path: Path, rows: int | None = None) -> pa.Table:
    """Reads a table with its header.

    Args:
        path: A CSV file (UTF-8; comma, semicolon or tab), or a Parquet file.
        rows: About as many of the first rows as are needed; None for all.

    Returns:
        Of a CSV file every cell as text without the blanks around it; of a Parquet file its types.

    Raises:
        DataError: The file is missing, damaged, or no table with a header.
    """
    try:
        check_file(path)
        table = _parquet(path, rows) if _is_parquet(path) else _csv(path, rows)
    except (DataError, FileError, FileNotFoundError) as error:
        raise DataError(str(error)) from None
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read: {error.strerror or _line(error)}") from None
    except pa.ArrowException as error:
        if "UTF8" in str(error):
            raise DataError(f"{shown(path)} is not UTF-8: {_utf8(path)}") from None
        kind = "Parquet" if _is_parquet(path) else "CSV"
        raise DataError(f"{shown(path)} is broken or no {kind} file: {_line(error)}") from None
    _check_names(table.column_names, path)
    if rows is None and not table.num_rows:
        raise DataError(f"{shown(path)} has a header and no rows")
    return table


def count_rows(path: Path) -> int | None:
    """The rows of a table as far as its file says them; None for CSV."""
    return pyarrow.parquet.read_metadata(path).num_rows if _is_parquet(path) else None


def write(path: Path, columns: Mapping[str, np.ndarray], *, parquet: bool) -> None:
    """Writes columns as a CSV or Parquet file."""
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    if parquet:
        pyarrow.parquet.write_table(table, path)
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.column_names)
        # Python's floats are written with as few digits as bring them back; those of 32 bits too.
        cells = [
            list(map(str, values)) if values.dtype == np.float32 else values.tolist()
            for values in columns.values()
        ]
        writer.writerows(
            [str(cell).lower() if isinstance(cell, bool) else cell for cell in row]
            for row in zip(*cells, strict=True)
        )


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(PARQUET)


def _parquet(path: Path, rows: int | None) -> pa.Table:
    if rows is None:
        return pyarrow.parquet.read_table(path)
    with pyarrow.parquet.ParquetFile(path) as file:
        batch = next(file.iter_batches(batch_size=rows), None)
        return pa.Table.from_batches([] if batch is None else [batch], file.schema_arrow)


def _csv(path: Path, rows: int | None) -> pa.Table:
    with pa.input_stream(str(path), compression="detect") as stream:
        beginning = stream.read(BEGINNING)
        whole = len(beginning) < BEGINNING
    names, delimiter = _header(beginning, path)
    ragged: list[str] = []

    def handle(row: pyarrow.csv.InvalidRow) -> str:
        if not ragged:
            more = row.actual_columns > row.expected_columns
            ragged.append(
                f"{shown(path)}: line {row.number} has {row.actual_columns} cells, the header "
                f'{row.expected_columns} ("{shown(row.text[:60])}"): '
                + (
                    f"put a cell that holds a {_called(delimiter)} between quotes"
                    if more
                    else "fill it up"
                )
            )
        return "skip"

    source = path
    if rows is not None and not whole:
        # Cut where a row ends; within quotes that may be in a row, which is then ragged and left out.
        source = pa.BufferReader(beginning[: beginning.rfind(b"\n") + 1])
    table = pyarrow.csv.read_csv(
        str(source) if source is path else source,
        # Only one thread knows the numbers of lines.
        read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=names, skip_rows=1),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=handle
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    if ragged and rows is None:
        raise DataError(ragged[0])
    columns = [pc.utf8_trim_whitespace(column) for column in table.columns]
    table = pa.table(columns, names)
    return table if rows is None else table.slice(0, rows)


def _header(beginning: bytes, path: Path) -> tuple[list[str], str]:
    """The names of the columns, and what stands between them."""
    if not beginning.strip():
        raise DataError(f"{shown(path)} is empty: expected a header and rows")
    try:
        # The last character may be cut in two.
        text = beginning.decode("utf-8-sig", "strict" if len(beginning) < BEGINNING else "ignore")
    except UnicodeDecodeError as error:
        line = beginning.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{shown(path)} is not UTF-8 (byte 0x{beginning[error.start]:02x} in line {line}): {_utf8(path)}"
        ) from None
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    names = [name.strip() for name in next(csv.reader(io.StringIO(text), delimiter=delimiter))]
    if len(names) > 1 and all(map(_is_number, names)):
        raise DataError(
            f"{shown(path)} has no header: its first line is {shown(first[:60])!r}; write the names of the "
            "columns above it"
        )
    return names, delimiter


def _check_names(names: list[str], path: Path) -> None:
    counts = Counter(names)
    twice = [shown(name) for name, count in counts.items() if count > 1]
    if twice:
        raise DataError(
            f"{shown(path)}: {_listed(twice)} {'stand' if len(twice) > 1 else 'stands'} twice in the header: "
            "rename one"
        )
    if "" in counts:
        raise DataError(
            f"{shown(path)}: column {names.index('') + 1} has no name: write one into the header, or leave the "
            "column out (pandas writes one for its index; to_csv(index=False) does not)"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _utf8(path: Path) -> str:
    return f"save it as UTF-8, for example with iconv -f latin1 -t utf-8 {shown(path.name)}"


def _called(delimiter: str) -> str:
    return {",": "comma", ";": "semicolon", "\t": "tab"}[delimiter]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")


def _line(error: Exception) -> str:
    return shown(" ".join(str(error).split())[:200]) or type(error).__name__
