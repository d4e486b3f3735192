"""Width and height of JPEG and PNG data from their first bytes, without decoding."""

from __future__ import annotations

JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
PNG_START = b"\x89PNG\r\n\x1a\n"

# ITU-T T.81, table B.1: "start of frame" holds the size; the codes left out are tables.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}


def compressed_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height that JPEG or PNG data declare, pixels.

    None: neither JPEG nor PNG, damaged before the size, or a side of 0.
    """
    if data.startswith(PNG_START):
        # 8 bytes of signature, then the first chunk: length, "IHDR", width, height
        size = (_number(data, 16, 4), _number(data, 20, 4)) if data[12:16] == b"IHDR" else (0, 0)
    elif data.startswith(JPEG_START):
        size = _jpeg_size(data)
    else:
        return None
    return size if all(size) else None


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk over the segments until the one that holds the size; zeros when there is none."""
    at = len(JPEG_START)
    while at + 1 < len(data) and data[at] == 0xFF:
        code = data[at + 1]
        if code in _START_OF_FRAME:  # marker, length, precision, height, width
            return _number(data, at + 7, 2), _number(data, at + 5, 2)
        if code == 0xFF:  # a marker may be preceded by any number of these
            at += 1
        elif code in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + _number(data, at + 2, 2)
    return 0, 0


def _number(data: bytes, at: int, size: int) -> int:
    """Read a big-endian number; what is missing at the end of the data makes it 0."""
    read = data[at : at + size]
    return int.from_bytes(read, "big") if len(read) == size else 0
