"""Arrays from .npz files."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from auricle.errors import AuricleError, first_line
from auricle.readers.text import MIB, open_file

if TYPE_CHECKING:
    import numpy as np

LIMIT = 16 * 2**30  # bytes of a file
UNPACKED = 256 * MIB  # bytes of all arrays together, or
MAX_RATIO = 100  # times the size of the file
_KINDS = "biufUS"  # booleans, numbers and text: no objects, which would be pickled


def read_arrays(path: str | os.PathLike[str], names: Iterable[str] = (), what: str = "arrays") -> dict[str, np.ndarray]:
    """All arrays of an .npz file by name; `names` are needed. Nothing is unpickled.

    Sizes that the file declares are checked before memory is taken for them.
    """
    with open_file(path, LIMIT) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                size, packed = sum(member.file_size for member in members), os.fstat(file.fileno()).st_size
                if size > max(UNPACKED, MAX_RATIO * packed):
                    raise AuricleError(f"{path}: unpacks to {size / 1e6:.0f} MB, which is refused")
                arrays = {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
        except AuricleError:
            raise
        except (
            zipfile.BadZipFile,
            zlib.error,
            ValueError,
            EOFError,
            NotImplementedError,
            RuntimeError,
            OSError,
            MemoryError,
            OverflowError,
            SyntaxError,
            TypeError,
            KeyError,
        ) as error:
            reason = first_line(error)
            raise AuricleError(f"{path}: damaged, or not an .npz file ({reason})") from None
    missing = [name for name in names if name not in arrays]
    if missing:
        raise AuricleError(f"{path}: not {what}, it has no array {', '.join(missing)}")
    return arrays


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """The array in a member; `ValueError` if it is not as large as its header says, or holds objects."""
    import numpy as np  # here, as every command reads files and --help should be quick

    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if reader is None:
            raise ValueError(f"{member.filename}: version {version} of the format")
        shape, fortran, dtype = reader(file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in _KINDS or min(shape, default=0) < 0 or size != member.file_size - file.tell():
            raise ValueError(f"{member.filename}: {shape} of {dtype} in {member.file_size} bytes")
        array = np.frombuffer(file.read(), dtype=dtype)
        return array.reshape(shape, order="F" if fortran else "C")
