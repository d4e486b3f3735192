"""A tracker in a program of one's own, with states: it may lose its targets, and finds them again.

python examples/states_and_recovery.py CAMERA_OR_VIDEO NAME=X,Y,W,H ...
"""

import sys

import cv2

from autrack_ros.tracking import Box, Follower, TrackState, load_engine


def main(source: str, *targets: str) -> None:
    """Follow targets by name, and say whenever the state of one changes."""
    clip = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    engine = load_engine()
    follower = Follower(engine)
    _, image = clip.read()
    for target in targets:
        name, box = target.split("=")
        follower.put(name, engine.start(image, Box(*map(float, box.split(",")))), image)
    states = dict.fromkeys(follower.names, TrackState.TRACKING)
    number = 1
    while (image := clip.read()[1]) is not None:
        number += 1
        for name, frame in follower.follow(image).items():
            if frame.state is not states[name]:
                where = "nowhere" if frame.box is None else "at {:.0f}, {:.0f}".format(*frame.box)
                print(f"frame {number}: {name} is {frame.state.name}, {where}")
            states[name] = frame.state


if __name__ == "__main__":
    main(*sys.argv[1:])
