"""Feature extractors: Bx3xHxW float32 BGR 0..255 in, a feature map of total stride ``stride`` out.

Each normalises its own input, so a gradient with respect to the input is in grey levels for all of
them. A convolution is declared directly before its batch normalisation: ``fuse`` relies on it.
"""
