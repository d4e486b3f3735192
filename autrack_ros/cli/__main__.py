"""``python -m autrack_ros.cli``: the program where its console script is not installed."""

from autrack_ros.cli import main

main()
