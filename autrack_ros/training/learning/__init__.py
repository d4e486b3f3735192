"""The loop of a training: features, batches, optimizer, processes."""
