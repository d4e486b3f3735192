"""The program ``clip_publisher``: a video as a camera."""
