"""Make a bag of a clip: images, camera info, and where the boxes are known, the truth.

The topics are those that a node ``tracker`` listens to, so that the bag plays into it as it is:

* ``/image`` (or ``/image/compressed``);
* ``/camera_info``: the images' size, no calibration;
* ``/truth``: an autrack_ros/InitBox for every image, NaN where the target is absent;
* ``/init_box``: the first of them that is there.

Stamps count from 1 s in steps of a frame. The same clip gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation.bags.pictures import header, image_message, jpeg_message
from autrack_ros.evaluation.bags.types import new_message
from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.datasets import FORMATS, read_dataset
from autrack_ros.evaluation.frames import Frames, SourceError, open_frames
from autrack_ros.evaluation.metrics import present

IMAGE_TOPIC = "/image"
TRUTH_TOPIC = "/truth"
INIT_TOPIC = "/init_box"
CAMERA_INFO_TOPIC = "/camera_info"
FRAME_ID = "camera"
TARGET = "target"
DEFAULT_FPS = 30.0

_INIT_BOX = "autrack_ros/msg/InitBox"


def open_clip(source: str, boxes: Path | None = None) -> tuple[Frames, np.ndarray | None]:
    """Frames and boxes of a video, a folder of images, or an annotated sequence.

    Args:
        source: a video; a folder of images; or a folder with ``img/``. ``groundtruth.txt`` in the
            folder is taken for its boxes.
        boxes: box file to take instead.

    Returns:
        the frames, and a box a frame, N x 4; None where no boxes are known.

    Raises:
        SourceError: nothing there can be read, or the numbers of frames and boxes differ.
    """
    folder = Path(source).expanduser()
    frames = open_frames(folder / "img" if (folder / "img").is_dir() else source)
    if frames.length is None:
        raise SourceError(f"{source} has no end; accepted: a video file or a folder of images")
    annotation = boxes
    if boxes is None and (folder / "groundtruth.txt").is_file():
        annotation = folder / "groundtruth.txt"
    if annotation is None:
        return frames, None
    truth = read_boxes(annotation)
    if len(truth) != frames.length:
        raise SourceError(
            f"{annotation} holds {len(truth)} boxes for the {frames.length} frames of {source}"
        )
    return frames, truth


def open_sequence(folder: Path, format_name: str) -> tuple[Frames, np.ndarray]:
    """Frames and boxes of a benchmark's sequence.

    Args:
        folder: of the sequence, in that of its dataset.
        format_name: of the dataset, see ``datasets.FORMATS``.

    Raises:
        ConfigurationError: no such format.
        SourceError: it is no sequence of this format, or it is damaged.
    """
    folder = folder.expanduser().resolve()
    readers = read_dataset(folder.parent, format_name)
    if folder.name not in readers:
        raise SourceError(f"{folder} is no sequence; {format_name}: {FORMATS[format_name].layout}")
    sequence = readers[folder.name]()
    return sequence.frames, sequence.truth


def make_bag(
    frames: Frames,
    truth: np.ndarray | None,
    path: Path,
    fps: float | None = None,
    storage: str = "sqlite3",
    jpeg: bool = False,
) -> Iterator[int]:
    """Write a bag; yields the number of frames written so far.

    Args:
        frames: all of one size.
        truth: a box a frame, N x 4; not finite or no area: the target is absent.
        path: folder to make; it must not exist.
        fps: frames a second; by default those of the clip, else 30.
        storage: sqlite3 or mcap.
        jpeg: compressed images; otherwise raw ones, which lose nothing.

    Raises:
        SourceError: there is something at ``path``, a frame cannot be read or is of another size,
            or there are fewer or more frames than boxes. What was written by then stays.
    """
    step_ns = 1e9 / (fps or frames.fps or DEFAULT_FPS)
    image_topic = f"{IMAGE_TOPIC}/compressed" if jpeg else IMAGE_TOPIC
    with BagWriter(path, storage) as bag:
        kind = "sensor_msgs/msg/CompressedImage" if jpeg else "sensor_msgs/msg/Image"
        bag.add_topic(image_topic, kind)
        bag.add_topic(CAMERA_INFO_TOPIC, "sensor_msgs/msg/CameraInfo")
        first = None
        if truth is not None:
            bag.add_topic(TRUTH_TOPIC, _INIT_BOX)
            bag.add_topic(INIT_TOPIC, _INIT_BOX)
            there = present(truth)
            truth = np.where(there[:, None], truth, np.nan)
            first = int(there.argmax()) if there.any() else None
        size, count = "", 0
        for count, image in enumerate(frames, start=1):
            shown = f"{image.shape[1]}x{image.shape[0]}"
            if shown != (size or shown):
                raise SourceError(
                    f"{frames.name}: frame {count} is {shown}, those before are {size}"
                )
            size = shown
            if truth is not None and count > len(truth):
                break
            stamp_ns = 10**9 + round((count - 1) * step_ns)
            head = header(stamp_ns, FRAME_ID)
            message = jpeg_message(head, image) if jpeg else image_message(head, image)
            bag.write_message(image_topic, stamp_ns, message)
            bag.write_message(CAMERA_INFO_TOPIC, stamp_ns, _camera_info(head, image))
            if truth is not None:
                topics = (TRUTH_TOPIC, INIT_TOPIC) if count - 1 == first else (TRUTH_TOPIC,)
                _write_box(bag, topics, head, stamp_ns, truth[count - 1])
            yield count
    if truth is not None and count != len(truth):
        raise SourceError(f"{frames.name} has {count} frames or more for {len(truth)} boxes")
    if count == 0:
        raise SourceError(f"{frames.name} holds no frame")


def _camera_info(head: Any, image: np.ndarray) -> Any:
    height, width = image.shape[:2]
    return new_message("sensor_msgs/msg/CameraInfo", header=head, height=height, width=width)


def _write_box(
    bag: BagWriter, topics: Sequence[str], head: Any, stamp_ns: int, truth: np.ndarray
) -> None:
    x, y, w, h = truth.tolist()
    box = new_message(_INIT_BOX, header=head, id=TARGET, x=x, y=y, width=w, height=h)
    for topic in topics:
        bag.write_message(topic, stamp_ns, box)
