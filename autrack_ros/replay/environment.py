"""The environment of ROS 2 for this process and its children."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

from autrack_ros.replay.domains import own_domain

_FAST_DDS_2 = ("humble", "iron", "jazzy")  # Fast DDS 3 warns of the variable of Fast DDS 2


def prepare_environment(*, alone: bool = False) -> None:
    """Settle the transport; what the user has set stays. Call it before rclpy.init.

    All stays on this machine, in a domain of its own.

    Args:
        alone: also where the user has chosen a domain: nothing may mix with a robot's topics.
    """
    # On the wheels' ROS 2 there is no setup.bash to set it.
    os.environ.setdefault("AMENT_PREFIX_PATH", sys.prefix)
    profile = Path(get_package_share_directory("autrack_ros")) / "config" / "fastdds_shm.xml"
    fast_dds = "FASTRTPS" if os.environ.get("ROS_DISTRO") in _FAST_DDS_2 else "FASTDDS"
    if alone:
        os.environ.pop("ROS_DOMAIN_ID", None)
    defaults = {
        f"{fast_dds}_DEFAULT_PROFILES_FILE": str(profile),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": str(own_domain()),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
