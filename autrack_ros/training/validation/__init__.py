"""What a training is measured on, and the calibration of its score."""
