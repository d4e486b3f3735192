"""The default model on a CPU: tracking, the update and the node never import torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

REFUSE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
"""

TRACK = """
import cv2, numpy as np
from autrack_ros.tracking import AdaptationSettings, Box, Follower, load_tracker

random = np.random.default_rng(0)
image = cv2.resize(random.integers(0, 256, (24, 32, 3), np.uint8), (320, 240))
tracker = load_tracker(device=DEVICE, adaptation=AdaptationSettings(steps=3))
report = tracker.initialize(image, Box(130, 90, 50, 40))
assert report.stop_reason == "completed" and min(report.losses) < report.losses[0], report
result = tracker.update(np.roll(image, 3, axis=1))
assert abs(result.box.x - 133) < 4, result.box
follower = Follower(tracker.engine)
follower.put("it", tracker.target, image)
assert follower.follow(image)["it"].box is not None
"""


def run_without_torch(code: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", REFUSE + code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_the_default_model_is_tracked_and_updated(device):
    done = run_without_torch(TRACK.replace("DEVICE", repr(device)))
    assert done.returncode == 0, done.stderr


def test_the_node_and_its_programs_are_imported():
    pytest.importorskip("rclpy")
    pytest.importorskip("autrack_ros.msg")
    done = run_without_torch(
        "import autrack_ros.node.tracker_node, autrack_ros.select_target.select_target\n"
        "import autrack_ros.clip_publisher.clip_publisher, autrack_ros.replay\n"
    )
    assert done.returncode == 0, done.stderr


def test_the_command_line_tracks_a_clip(tmp_path):
    cv2 = pytest.importorskip("cv2")
    import numpy as np

    random = np.random.default_rng(0)
    image = cv2.resize(random.integers(0, 256, (24, 32, 3), np.uint8), (320, 240))
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.roll(image, 2 * number, axis=1))
    arguments = ["track", str(tmp_path), "--box", "130,90,50,40", "--adapt-steps", "2"]
    done = run_without_torch(f"sys.argv[1:] = {arguments!r}\nimport autrack_ros.cli\n" + MAIN)
    assert done.returncode == 0, done.stderr
    assert "3 frames" in done.stderr


MAIN = "autrack_ros.cli.main()\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "cuda"], "device 'cuda' needs PyTorch"),
        (["--runtime", "torch"], "in runtime torch, needs PyTorch"),
        (["--preset", "siamfcpp_tinyconv_vot"], "preset siamfcpp_tinyconv_vot on cpu"),
    ],
)
def test_what_needs_torch_says_so_in_one_line(tmp_path, arguments, said):
    cv2 = pytest.importorskip("cv2")
    import numpy as np

    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((64, 64, 3), np.uint8))
    command = ["track", str(tmp_path), "--box", "10,10,20,20", *arguments]
    done = run_without_torch(f"sys.argv[1:] = {command!r}\nimport autrack_ros.cli\n" + MAIN)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert said in line
    assert "pip install torch" in line


@pytest.mark.parametrize("command", [["train"], ["export"]])
def test_training_and_export_say_so_in_one_line(command):
    done = run_without_torch(f"sys.argv[1:] = {command!r}\nimport autrack_ros.cli\n" + MAIN)
    assert done.returncode == 2
    assert f"autrack {command[0]} needs PyTorch" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
