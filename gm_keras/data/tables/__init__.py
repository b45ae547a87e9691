"""A user's own tables: CSV, TSV and Parquet files, whose columns become vectors."""

from gm_keras.data.tables.options import Options
from gm_keras.data.tables.source import Outline, outline, table_source

__all__ = ["Options", "Outline", "outline", "table_source"]
