"""Pictures as the training reads them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def read_picture(path: Path) -> np.ndarray | None:
    """Decode a picture file, as stored: an orientation in its EXIF data is not applied.

    Returns:
        HxWx3 uint8 BGR, HxWx4 with opacity where the file has it, or None where there is no such
        file or it cannot be decoded.
    """
    try:
        encoded = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error):
        return None
    if image is None:
        return None
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        return None
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
