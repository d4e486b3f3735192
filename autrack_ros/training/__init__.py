"""Training of the project's own models. No ROS.

``loop`` is the whole of it, from a configuration to a file of weights. What it takes, in order:
``fetch`` and ``pictures`` (free pictures, and those that are made), ``sources`` (what there is to
learn from), ``pairs`` (what a training example looks like), ``learning`` (batches, optimizer),
``validation`` (clips to track, calibration of the score).
"""
