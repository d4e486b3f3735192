"""Bags (rosbag2 folders): made, read, tracked in and scored, all without ROS.

They need rosbags, the figures matplotlib: the extras ``bag`` and ``plots`` of this package.
"""
