"""Training through the template update, to see whether a network learns to be updated."""
