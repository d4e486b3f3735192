"""A tracker for the VOT toolkit, over its protocol TraX on standard input and output.

The toolkit (votchallenge/toolkit) starts the program that its trackers.ini names, once for every
object, and sends it a first rectangle and the paths of images; pixels count from 0.
"""

from __future__ import annotations

from pathlib import Path

from autrack_ros.evaluation.frames import read_image
from autrack_ros.evaluation.runner import Answer, FollowsTarget
from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.presence import TrackState


def serve(tracker: FollowsTarget[Answer]) -> None:
    """Answer the toolkit until it ends the session.

    A target that is LOST is answered with its last box and the confidence 0: VOT-LT counts a frame
    as reported where the confidence is high enough.

    Nothing else may write to standard output meanwhile. An error ends the session, and the toolkit
    is told its text.

    Raises:
        ConfigurationError: the package vot-trax is not installed.
    """
    try:
        import trax
    except ImportError as error:
        raise ConfigurationError(
            "TraX needs the package vot-trax, which is not installed: pip install vot-trax"
        ) from error
    formats = [trax.Region.RECTANGLE], [trax.Image.PATH]
    with trax.Server(*formats, tracker_name="AUTracker") as server:
        while True:
            request = server.wait()
            if request.type == trax.TraxStatus.QUIT:
                return
            image = read_image(Path(request.image["color"].path()))
            if request.type == trax.TraxStatus.INITIALIZE:
                box, score = Box(*request.objects[0][0].bounds()), 1.0
                tracker.initialize(image, box)
            else:
                result = tracker.update(image)
                is_lost = result.state is TrackState.LOST
                box, score = result.box, 0.0 if is_lost else result.score
            server.status([(trax.Rectangle.create(*box), {"confidence": f"{score:.6f}"})])
