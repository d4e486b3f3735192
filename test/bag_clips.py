"""Small clips and bags for tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from pictures import textured_image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from autrack_ros.evaluation.boxfiles import write_boxes

FRAMES = 12
SIZE = (96, 128)  # rows, columns
STEP_NS = 100_000_000  # at 10 frames a second


def truth_boxes(frames: int = FRAMES) -> np.ndarray:
    return np.array([[20.0 + 2 * index, 30, 24, 24] for index in range(frames)])


def make_sequence(folder: Path, frames: int = FRAMES) -> Path:
    """Images of a square that moves over a textured ground, with its boxes."""
    (folder / "img").mkdir(parents=True)
    ground, square = textured_image(*SIZE), textured_image(24, 24, seed=1)
    for index, (x, y, w, h) in enumerate(truth_boxes(frames).astype(int)):
        picture = ground.copy()
        picture[y : y + h, x : x + w] = square
        cv2.imwrite(str(folder / "img" / f"{index + 1:04}.png"), picture)
    write_boxes(folder / "groundtruth.txt", truth_boxes(frames))
    return folder


def copy_bag(source: Path, target: Path, mode: CompressionMode, plugin: StoragePlugin) -> Path:
    """The same messages in a bag that is stored in another way."""
    writer = Writer(target, version=8, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with Reader(source) as reader, writer:
        connections = {
            item.id: writer.add_connection(
                item.topic, item.msgtype, msgdef=item.msgdef.data, rihs01=item.digest
            )
            for item in reader.connections
        }
        for connection, received_ns, data in reader.messages():
            writer.write(connections[connection.id], received_ns, data)
    return target
