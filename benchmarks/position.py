"""How well targets are placed in space: positions against the truth of the renderer; no ROS runs.

    python -m benchmarks.position [--scenes 6] [--json FILE]

The made room of the demo ``follow``, 640x480: an object drives away and to and fro, 1 to 6 m from
the camera, turning, in colours of its own in each scene. Images have the noise of a camera, depths
that of a stereo camera (``autrack_ros.demo.world.seen_by_sensor``). Followed by the default model;
located as in the node. The truth is the middle of what is seen of the object.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from autrack_ros.demo.world import Pinhole, Pose, View, look, seen_by_sensor
from autrack_ros.drawing import Trail
from autrack_ros.node.inputs.depth import DepthImages
from autrack_ros.node.outputs.image_messages import millimeters_to_image
from autrack_ros.node.positions import Positions
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.tracking import Follower, load_engine
from benchmarks.machine import describe_machine

CAMERA = Pinhole(640, 480, 520.0)
FRAMES = 48  # a scene, ten a second
BANDS = ((1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (1, 6))
SETTINGS: Any = SimpleNamespace(depth_tolerance_ns=0, prediction_ns=0)
PERIOD_NS = 100_000_000


def calibration(camera: Pinhole) -> CameraInfo:
    """Of a pinhole camera; K counts from the middle of the first pixel."""
    x, y, focal = camera.width / 2 - 0.5, camera.height / 2 - 0.5, camera.focal
    k = [focal, 0.0, x, 0.0, focal, y, 0.0, 0.0, 1.0]
    return CameraInfo(width=camera.width, height=camera.height, k=k)


def scene(seed: int) -> Iterator[tuple[Header, np.ndarray, Image, View]]:
    """Header, colour image, depth message and truth of every frame."""
    rng = np.random.default_rng(seed)
    phase, turn = rng.uniform(0, 2 * math.pi), rng.choice([-1, 1])
    for number in range(FRAMES):
        part = number / (FRAMES - 1)
        ahead = 1.4 + 4.7 * part  # of the middle; its surface is 0.2 m nearer
        left = 0.25 * ahead * math.sin(3 * part + phase)
        view = look(CAMERA, Pose(0, 0, 0), Pose(ahead, left, turn * (0.3 + 1.2 * part)), seed=seed)
        header = Header(frame_id="camera")
        header.stamp.sec, header.stamp.nanosec = divmod(10**9 + number * PERIOD_NS, 10**9)
        noise = 3 * rng.standard_normal(view.image.shape, np.float32)
        image = np.clip(cv2.GaussianBlur(view.image, (3, 3), 0) + noise, 0, 255).astype(np.uint8)
        yield header, image, millimeters_to_image(seen_by_sensor(view.depth, rng), header), view


def truth(view: View) -> np.ndarray:
    """The middle of what is seen of the object, metres in the optical frame."""
    assert view.box is not None
    x, y = view.box.center
    flat = (x - CAMERA.width / 2) / CAMERA.focal, (y - CAMERA.height / 2) / CAMERA.focal
    return view.distance * np.array([*flat, 1.0])


def measure(engine: Any, seed: int) -> list[dict[str, float]]:
    """Distance, error, and largest error in standard deviations along an axis, frame by frame."""
    depth = DepthImages()
    positions = Positions(depth, lambda *event: None)
    info, follower, rows = calibration(CAMERA), Follower(engine), []
    for number, (header, image, depth_image, view) in enumerate(scene(seed)):
        if number == 0:
            assert view.box is not None
            follower.put("object", engine.start(image, view.box), image)
            continue
        frame = follower.follow(image)["object"]
        depth.add(depth_image)
        box = follower["object"].box
        target = TrackedTarget(
            "object", frame.state, False, frame.box, box, frame.score, frame.result, 0.0, Trail()
        )
        size = (CAMERA.width, CAMERA.height)
        place = positions.locate(header, size, [target], info, SETTINGS)["object"].position
        found = truth(view)
        row = {"distance": float(found[2]), "error": math.nan, "sigmas": math.nan}
        if place is not None:
            off = place.position - found
            row["error"] = float(np.linalg.norm(off))
            row["sigmas"] = float((np.abs(off) / np.sqrt(np.diag(place.covariance))).max())
        rows.append(row)
    return rows


def table(rows: list[dict[str, float]]) -> str:
    """The table of the docs."""
    lines = [
        "| distance, m | frames | with a position | median error | 95 % of errors under "
        "| within 2 sigma on every axis |",
        "|---|---|---|---|---|---|",
    ]
    for low, high in BANDS:
        chosen = [row for row in rows if low <= row["distance"] < high]
        placed = [row for row in chosen if not math.isnan(row["error"])]
        if not placed:
            continue
        parts = np.array([100 * row["error"] / row["distance"] for row in placed])
        inside = np.mean([row["sigmas"] <= 2 for row in placed])
        lines.append(
            f"| {low} to {high} | {len(chosen)} | {len(placed) / len(chosen):.0%} "
            f"| {np.median(parts):.1f} % | {np.percentile(parts, 95):.1f} % | {inside:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--json", type=Path, help="also write every frame's numbers here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    engine = load_engine(device="cpu", runtime=arguments.runtime)
    rows = [row for seed in range(arguments.scenes) for row in measure(engine, seed)]
    print(f"{describe_machine()}; {arguments.scenes} scenes, {engine.runtime.name}\n")
    print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
