"""Tags with a title and the like (ID3v2), which programs for music put before a file of any format."""

from __future__ import annotations

from typing import BinaryIO


def after_tags(file: BinaryIO, position: int) -> int:
    """The end of the tags that begin at `position`, which is `position` itself if there are none."""
    while True:
        file.seek(position)
        head = file.read(10)
        if len(head) < 10 or not head.startswith(b"ID3") or max(head[6:10]) > 127:
            return position
        n_bytes = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        position += 10 + n_bytes + (10 if head[5] & 0x10 else 0)
