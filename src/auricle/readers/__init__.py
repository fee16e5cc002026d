"""Reading files that may be damaged or hostile: text, YAML, JSON, tables and arrays.

Every reader checks the size before it takes memory and the structure before it returns, runs nothing that a file
names, and raises one `AuricleError` that names the file. Folders, pipes and devices are refused without waiting.
"""

from auricle.readers.arrays import read_arrays
from auricle.readers.blame import blaming
from auricle.readers.json_text import json_value, read_json
from auricle.readers.shape import Shape, checked
from auricle.readers.tables import number_in, parquet_file, read_rows, read_table
from auricle.readers.text import read_bytes, read_text
from auricle.readers.yaml_text import TooLarge, read_yaml, yaml_text, yaml_value

__all__ = [
    "Shape",
    "TooLarge",
    "blaming",
    "checked",
    "json_value",
    "number_in",
    "parquet_file",
    "read_arrays",
    "read_bytes",
    "read_json",
    "read_rows",
    "read_table",
    "read_text",
    "read_yaml",
    "yaml_text",
    "yaml_value",
]
