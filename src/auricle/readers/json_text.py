"""JSON of an expected shape."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from auricle.errors import AuricleError
from auricle.readers.shape import Shape, checked
from auricle.readers.text import MIB, read_text


def read_json(path: str | os.PathLike[str], shape: Shape = object, limit: int = 16 * MIB) -> Any:
    """The value in a JSON file, which must have the given shape (see `Shape`)."""
    return json_value(read_text(path, limit, errors="surrogateescape"), path, shape)


def json_value(text: str | bytes, source: object, shape: Shape = object) -> Any:
    """The value that JSON stands for, of the given shape; `source` is named in errors."""
    try:
        value = json.loads(text)
        if re.search(r"\\ud[89a-f]", text if isinstance(text, str) else "", re.IGNORECASE):
            json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except RecursionError:
        raise AuricleError(f"{source}: not JSON that can be read (nested too deeply)") from None
    except ValueError as error:
        raise AuricleError(f"{source}: not JSON ({error})") from None
    return checked(value, shape, source)
