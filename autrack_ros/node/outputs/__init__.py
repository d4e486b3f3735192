"""What the node publishes; ``outputs`` has the list of all."""
