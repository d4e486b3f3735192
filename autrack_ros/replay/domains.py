"""Domains of ROS 2 for processes that must not hear each other, or a robot."""

from __future__ import annotations

import functools
import os
import socket

_claims: list[socket.socket] = []


@functools.cache
def own_domain() -> int:
    """The domain of this process, 1 to 100."""
    return claim_domain()


def claim_domain() -> int:
    """A domain that no other process has claimed; it is this one's until it ends."""
    first = os.getpid() % 100
    for number in range(100):
        domain = 1 + (first + number) % 100
        # A name in Linux's abstract space: gone with its process, and no file is left.
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0autrack_ros domain {domain}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return domain
    return 1 + first  # all are taken, or the system has no such names
