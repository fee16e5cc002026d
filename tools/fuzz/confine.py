"""Confining a process to one folder with Landlock (Linux 5.13 and later), which needs no privileges.

Python's audit hook does not see what libraries in C, C++ and Rust open; the kernel does. Nothing outside the folder can
be written, made or removed afterwards, by this process or by its children.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # system calls, the same on all architectures
_NO_NEW_PRIVILEGES = 38
_WRITE_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 13, 1 << 14
_CHANGES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
_DEVICES = ("/dev/null", "/dev/shm")


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def version() -> int:
    """The version of Landlock; 0 if the kernel has none."""
    try:
        return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except (OSError, AttributeError):
        return 0


def confine(folder: Path) -> None:
    """Let this process change files below `folder` only; raises `OSError` where the kernel cannot."""
    known = version()
    if not known:
        raise OSError("this kernel has no Landlock, so hostile cases cannot be confined")
    rights = _CHANGES | (_REFER if known >= 2 else 0) | (_TRUNCATE if known >= 3 else 0)
    attribute = ctypes.create_string_buffer(struct.pack("=Q", rights), 8)
    ruleset = _call(_CREATE_RULESET, attribute, ctypes.c_size_t(8), ctypes.c_uint32(0))
    _allow(ruleset, str(folder), rights)
    for device in _DEVICES:
        if os.path.exists(device):
            _allow(ruleset, device, rights if os.path.isdir(device) else rights & (_WRITE_FILE | _TRUNCATE))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12)
    _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0))
    os.close(place)
