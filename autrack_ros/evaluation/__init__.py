"""Sources of frames, datasets, metrics and the loop that runs a tracker over them. No ROS."""
