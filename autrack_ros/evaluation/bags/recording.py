"""A bag of what the node would publish, on its topics, to be played beside the bag of the images.

Messages have the stamps and times of reception of the images, and no measured times: the same
images give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np

from autrack_ros.drawing import DrawnTarget, Trail, draw_heatmap, draw_overlay, draw_template
from autrack_ros.evaluation.bags.making import TARGET
from autrack_ros.evaluation.bags.offline import TrackedImage
from autrack_ros.evaluation.bags.pictures import header, image_message
from autrack_ros.evaluation.bags.tracks import IDLE, Track
from autrack_ros.evaluation.bags.types import constants, new_message
from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.tracking.boxes import Box

NODE = "/tracker"
_TRACK, _TRACKS = "autrack_ros/msg/Track", "autrack_ros/msg/TrackArray"
_REPORT = "autrack_ros/msg/AdaptationReport"
_IMAGE = "sensor_msgs/msg/Image"


class Recording:
    """Writes a run into a bag, image by image, as the node publishes it; a context manager.

    Args:
        path: of the bag to make.
        storage: sqlite3 or mcap.
        pictures: overlay, response map and heat map too, each as large as raw images are.
    """

    def __init__(self, path: Path, storage: str = "sqlite3", pictures: bool = True) -> None:
        self._bag = BagWriter(path, storage)
        self._pictures = pictures
        self._drawer = _Overlay()
        self._count = 0

    def __enter__(self) -> Recording:
        self._bag.__enter__()
        self._bag.add_topic(f"{NODE}/track", _TRACK)
        self._bag.add_topic(f"{NODE}/tracks", _TRACKS)
        self._bag.add_topic(f"{NODE}/adaptation", _REPORT, latched=True)
        self._bag.add_topic(f"{NODE}/template", _IMAGE, latched=True)
        if self._pictures:
            for name in ("overlay", "response_map", "response_heatmap"):
                self._bag.add_topic(f"{NODE}/{name}", _IMAGE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bag.__exit__(kind, error, trace)

    def add(self, tracked: TrackedImage) -> None:
        """Write the messages of one image."""
        image, result = tracked.image, tracked.result
        head = header(image.stamp_ns, image.frame_id)
        self._count += 1

        def write_picture(name: str, values: np.ndarray) -> None:
            message = image_message(head, values)
            self._bag.write_message(f"{NODE}/{name}", image.received_ns, message)

        if tracked.report is not None and tracked.target is not None:
            report = tracked.report
            message = new_message(
                _REPORT,
                header=head,
                id=TARGET,
                method=report.method,
                losses=np.array(report.losses, np.float32),
                steps=report.steps,
                best_step=report.best_step,
                stop_reason=report.stop_reason,
                max_change=report.max_change,
                mean_change=report.mean_change,
                support_crops=report.support_crops,
            )
            self._bag.write_message(f"{NODE}/adaptation", image.received_ns, message)
            target = tracked.target
            panel = draw_template(target.template, target.adapted_template)
            write_picture("template", panel)
        track = self._track(head, tracked)
        there = [] if tracked.track.state == IDLE else [track]
        tracks = new_message(_TRACKS, header=head, tracks=there)
        self._bag.write_message(f"{NODE}/track", image.received_ns, track)
        self._bag.write_message(f"{NODE}/tracks", image.received_ns, tracks)
        if not self._pictures:
            return
        write_picture("overlay", self._drawer.draw(image.bgr, tracked.track))
        if result is not None:
            write_picture("response_map", result.response)
            heatmap = draw_heatmap(
                result.search,
                result.response,
                result.response_to_image,
                result.search_to_image,
                tracked.track.box,
                tracked.track.state,
            )
            write_picture("response_heatmap", heatmap)

    def _track(self, head: object, tracked: TrackedImage) -> object:
        track, result = tracked.track, tracked.result
        message = new_message(
            _TRACK,
            header=head,
            state=constants(_TRACK)[track.state.upper()],
            id="" if track.state == IDLE else TARGET,
            processed_images=self._count,
        )
        if result is not None:
            message.response_to_image = result.response_to_image.ravel()
        if track.box is not None:
            message.center_x, message.center_y = map(float, track.box.center)
            message.size_x, message.size_y = float(track.box.w), float(track.box.h)
            message.score = float(track.score)
            if result is not None:
                for name in ("peak", "second_peak", "sharpness"):
                    setattr(message, name, float(getattr(result, name)))
        return message


class _Overlay:
    """Draws a target into images in order, with its trail; a lost one where it was last."""

    def __init__(self) -> None:
        self._trail = Trail()
        self._last: Box | None = None

    def draw(self, bgr: np.ndarray, track: Track) -> np.ndarray:
        """The image with its track, a new HxWx3 uint8 BGR."""
        self._last = track.box or self._last
        if track.state == IDLE or self._last is None:
            return draw_overlay(bgr, [])
        self._trail.add(track.stamp_ns / 1e9, track.box.center if track.box else None)
        score = None if track.box is None else track.score
        shown = DrawnTarget(self._last, TARGET, score, track.state, self._trail.points)
        return draw_overlay(bgr, [shown])
