"""Tables of detections: CSV, JSON lines, Parquet, Audacity label tracks and Raven selection tables."""

from __future__ import annotations

from auricle.reports.detections.formats import FORMATS, check_format, write_table
from auricle.reports.detections.schema import COLUMNS, SCHEMA, Detection, table_rows

__all__ = ["COLUMNS", "FORMATS", "SCHEMA", "Detection", "check_format", "table_rows", "write_table"]
