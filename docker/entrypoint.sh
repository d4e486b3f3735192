#!/bin/bash
# What is started in the container finds ROS 2, this package, and shared memory for images.
set -e
source "/opt/ros/$ROS_DISTRO/setup.bash" --
source /ws/install/setup.bash --
profile=/ws/install/autrack_ros/share/autrack_ros/config/fastdds_shm.xml
if [ "$ROS_DISTRO" = jazzy ]; then
    export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$profile}"
else
    export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$profile}"
fi
exec "$@"
