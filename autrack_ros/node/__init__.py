"""The ROS 2 node: parameters, topics, messages; the only layer that imports rclpy."""
