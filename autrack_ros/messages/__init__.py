"""Arrays and boxes out of ROS messages, by their fields alone: rclpy's and those of rosbags."""
