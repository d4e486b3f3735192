"""Speed measurements, each a command: ``python -m benchmarks.NAME`` from the repository's root."""
