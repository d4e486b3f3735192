"""Recorded images through the real node, in a process of its own, over DDS: what it takes."""
