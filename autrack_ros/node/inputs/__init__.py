"""What the node reads: images, calibrations, depth, boxes."""
