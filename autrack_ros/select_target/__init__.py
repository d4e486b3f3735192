"""The program ``select_target``: mark targets in the live picture or the terminal."""
