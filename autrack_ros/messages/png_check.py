"""Whether PNG data arrived whole, by their checksums.

libpng finds that out as well, but writes a line to the console each time, which nothing can keep it
from: for a camera that is thirty lines a second.
"""

from __future__ import annotations

import zlib

from autrack_ros.messages.compressed_size import PNG_START

_AROUND = 12  # bytes of a chunk beside its content: length, type, checksum


def png_fault(data: bytes) -> str:
    """Return what is wrong with PNG data: a chunk that is damaged or missing; empty if nothing is.

    Data with right checksums may still hold nonsense: only their decoder sees that.
    """
    at, view = len(PNG_START), memoryview(data)
    while at + _AROUND <= len(data):
        end = at + _AROUND + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if end > len(data):
            break
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return f"the data are damaged, in chunk {kind.decode(errors='replace')}"
        if kind == b"IEND":
            return ""
        at = end
    return "PNG data that are cut off"
