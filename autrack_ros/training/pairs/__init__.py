"""Pairs to learn from: crops of the sources, put together and spoilt as cameras do."""
