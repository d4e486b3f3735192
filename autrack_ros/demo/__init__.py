"""The demo: a clip tracked over ROS 2 by real processes, recorded into a bag and shown."""
