"""The page for robots without a screen, and the server that it comes from; docs/web.md.

Importing this package or its server loads no ROS: ``autrack track --web`` has none.
"""
