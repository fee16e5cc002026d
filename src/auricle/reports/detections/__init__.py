"""Tables of detections: CSV, JSON lines, Parquet, Audacity label tracks and Raven selection tables."""

from __future__ import annotations

from auricle.reports.detections.formats import FORMATS, check_format, part_name, write_table
from auricle.reports.detections.schema import COLUMNS, SCHEMA, Detection, plain_text, table_rows

__all__ = [
    "COLUMNS",
    "FORMATS",
    "SCHEMA",
    "Detection",
    "check_format",
    "part_name",
    "plain_text",
    "table_rows",
    "write_table",
]
