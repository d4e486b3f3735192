"""A ROS node that acts on ~/track: it turns a robot towards its target.

python examples/turn_towards.py --ros-args -r track:=/tracker/track -r cmd_vel:=/cmd_vel

The direction needs camera_info beside the images. The robot stands while the target is not tracked.
"""

import math

import rclpy
from autrack_ros.msg import Track
from geometry_msgs.msg import Twist
from rclpy.node import Node

GAIN = 1.5  # rad/s for each radian off the middle
SILENCE_S = 0.5


class TurnTowards(Node):
    """Publishes a velocity for every Track, and zero when none comes."""

    def __init__(self, **options) -> None:
        super().__init__("turn_towards", **options)
        self._velocity = self.create_publisher(Twist, "cmd_vel", 10)
        self._subscription = self.create_subscription(Track, "track", self.on_track, 10)
        self._watchdog = self.create_timer(SILENCE_S, lambda: self._velocity.publish(Twist()))

    def on_track(self, track: Track) -> None:
        """Turn left for what is left of the middle."""
        self._watchdog.reset()
        command = Twist()
        if track.state == Track.TRACKING:
            command.angular.z = -GAIN * math.atan2(track.bearing.x, track.bearing.z)
        self._velocity.publish(command)


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(TurnTowards())
