"""Follow a box through a video: python examples/follow_in_video.py VIDEO X,Y,W,H [OUT.mp4].

Prints the box of every frame, and draws them all into a video.
"""

import sys

import cv2

from autrack_ros.tracking import Box, load_tracker


def main(video: str, box: str, output: str = "followed.mp4") -> None:
    """Follow the box, whose edges are x, y, w, h in pixels of the first frame."""
    clip = cv2.VideoCapture(video)
    _, image = clip.read()
    tracker = load_tracker()
    result = Box(*map(float, box.split(",")))
    tracker.initialize(image, result)
    size, rate = image.shape[1::-1], clip.get(cv2.CAP_PROP_FPS)
    written = cv2.VideoWriter(output, cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    while image is not None:
        x, y, w, h = map(round, result)
        written.write(cv2.rectangle(image, (x, y), (x + w, y + h), (0, 255, 0), 2))
        print(x, y, w, h)
        _, image = clip.read()
        if image is not None:
            result = tracker.update(image).box
    written.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
