"""A user's own tables: CSV, TSV and Parquet files, whose columns become vectors."""

from gm_keras import extras

extras.need("tables")

from gm_keras.data.tables.options import Options  # noqa: E402 (only where it can be read)
from gm_keras.data.tables.source import Outline, outline, table_source  # noqa: E402

__all__ = ["Options", "Outline", "outline", "table_source"]
