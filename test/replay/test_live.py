"""``autrack evaluate-bag --live``: a bag through the real node, in lock-step and in real time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags need rosbags")
pytest.importorskip("matplotlib", reason="the plots need matplotlib")
pytest.importorskip("rclpy", reason="the node needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="the node needs this package's messages")

import rclpy
from autrack_ros.msg import InitBox, TrackArray
from autrack_ros.msg import Track as TrackMessage
from bag_clips import FRAMES, STEP_NS, make_sequence, truth_boxes
from rclpy.signals import SignalHandlerOptions
from ros_node import ros_node
from ros_process import wait_until
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from typer.testing import CliRunner

from autrack_ros.cli import app
from autrack_ros.evaluation.bags.making import make_bag, open_clip
from autrack_ros.evaluation.bags.reading import Bag, read_topic, stamp_ns
from autrack_ros.evaluation.bags.tracks import Track
from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.replay import link, live, processes
from autrack_ros.replay.environment import prepare_environment
from autrack_ros.tracking import DEFAULT_PRESET, Box
from autrack_ros.tracking.presets import find_preset

START = 2  # the target is not in the images before


@pytest.fixture(autouse=True, scope="module")
def _own_environment():
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="module")
def bags(tmp_path_factory) -> dict[str, Path]:
    """Raw and compressed; not to be changed."""
    folder = tmp_path_factory.mktemp("clips")
    frames, truth = open_clip(str(make_sequence(folder / "square")))
    truth[:START] = np.nan
    list(make_bag(frames, truth, folder / "raw", fps=10))
    list(make_bag(frames, truth, folder / "jpeg", fps=10, storage="mcap", jpeg=True))
    return {"/image": folder / "raw", "/image/compressed": folder / "jpeg"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "of a test.safetensors"
    shutil.copy(find_preset(DEFAULT_PRESET).require_shipped_weights(), path)
    return path


def evaluate(bags: dict[str, Path], topic: str, output: Path, *options: str):
    words = [
        "evaluate-bag", str(bags[topic]), "--image-topic", topic, "--truth-topic", "/truth",
        "--output", str(output), "--live", "--no-pictures", *options,
    ]  # fmt: skip
    return CliRunner().invoke(app, words)


@pytest.fixture(scope="module")
def result(bags, tmp_path_factory) -> Path:
    """Of the default model with its weights; not to be changed."""
    output = tmp_path_factory.mktemp("results") / "result"
    done = evaluate(bags, "/image", output, "--adapt-steps", "4", "--rate", "0.5")
    assert done.exit_code == 0, done.output
    return output


def metrics(output: Path) -> dict:
    return json.loads((output / "metrics.json").read_text())


def columns(output: Path, run: str) -> list[list[str]]:
    return [row.split(",") for row in (output / run / "tracks.csv").read_text().splitlines()[1:]]


def test_lock_step_equals_offline_in_every_frame(result):
    offline, lock_step = (
        read_boxes(result / run / "boxes.txt") for run in ("offline", "lock-step")
    )
    assert offline.shape == (FRAMES, 4)
    np.testing.assert_array_equal(np.isnan(offline), np.isnan(lock_step))
    np.testing.assert_allclose(lock_step, offline, atol=0.5)
    assert np.isnan(offline[:START]).all()
    states = [[row[2] for row in columns(result, run)] for run in ("offline", "lock-step")]
    assert states[0] == states[1]
    told = metrics(result)
    difference = told["comparison"]["lock_step_against_offline"]
    assert difference["largest_px"] < 0.5
    assert difference["box_in_one_only"] == 0
    update = [told["runs"][run]["template_update"] for run in ("offline", "lock-step")]
    assert update[1]["losses"] == pytest.approx(update[0]["losses"], abs=1e-4)
    assert (told["runs"]["lock-step"]["sent"], told["runs"]["lock-step"]["dropped"]) == (FRAMES, 0)


def test_real_time_row_tells_its_drops_and_its_cost(result):
    told = metrics(result)
    run = told["runs"]["real-time"]
    assert (run["images"], run["sent"], run["rate"]) == (FRAMES, FRAMES, 0.5)
    assert 0 <= run["dropped"] < FRAMES
    assert run["latency_p50_ms"] > 0
    aucs = [told["runs"][name]["scores"]["auc"] for name in ("real-time", "lock-step")]
    cost = told["comparison"]["real_time_auc_points"]
    assert cost == pytest.approx(100 * (aucs[0] - aucs[1]))
    text = (result / "report.html").read_text()
    assert f"at rate 0.5, {run['dropped']} images were dropped" in text
    assert f"changes the success AUC by {cost:+.1f} points" in text
    for name in ("offline", "lock-step", "real-time"):
        assert f"<td>{name}</td>" in text
    assert '<th scope="col">dropped</th>' in text
    assert text.count("<h1>") == 1


def test_start_counts_as_in_the_offline_run(result):
    for run in ("lock-step", "real-time"):
        assert metrics(result)["runs"][run]["first_image"] == START + 1
        boxes = read_boxes(result / run / "boxes.txt")
        np.testing.assert_allclose(boxes[START], truth_boxes()[START])


def test_what_the_node_published_is_recorded_in_the_time_of_the_bag(result):
    stamps = [10**9 + index * STEP_NS for index in range(FRAMES)]
    tracks = list(read_topic(result / "lock-step" / "bag", "/tracker/track"))
    assert [stamp_ns(message) for _, message in tracks if stamp_ns(message) >= 10**9] == stamps
    assert [received for received, m in tracks if stamp_ns(m) >= 10**9] == stamps  # of /clock
    with Bag(result / "lock-step" / "bag") as bag:
        for topic in ("status", "adaptation", "template"):
            assert bag.count(f"/tracker/{topic}") == 1, topic
    log = (result / "lock-step" / "tracker_node.log").read_text()
    assert "adaptation completed after 4 steps" in log


def at_image(monkeypatch, index: int, number: signal.Signals) -> None:
    """Send the node a signal before that image; from then on it may be silent for 2 s only."""
    send = link.NodeLink.send

    def send_or_signal(to_node, image):
        if image.index == index:
            monkeypatch.setattr(link, "SILENCE_S", 2.0)
            os.kill(to_node._tracker._process.pid, number)
        return send(to_node, image)

    monkeypatch.setattr(link.NodeLink, "send", send_or_signal)


def test_a_node_that_dies_is_told_and_the_answers_before_are_kept(
    bags, weights, tmp_path, monkeypatch
):
    at_image(monkeypatch, 5, signal.SIGKILL)
    done = evaluate(
        bags, "/image/compressed", tmp_path / "r", "--preset", DEFAULT_PRESET,
        "--checkpoint", str(weights), "--runtime", "openvino", "--adapt-steps", "1",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "tracker_node ended too early" in done.stderr
    assert "adaptation completed after 1 steps" in done.stderr  # its last words
    told = metrics(tmp_path / "r")
    assert not told["complete"]
    assert "ended too early" in told["error"]
    assert told["runs"]["offline"]["images"] == FRAMES
    assert told["runs"]["lock-step"]["images"] == 5
    assert "real-time" not in told["runs"]
    offline, lock_step = (
        read_boxes(tmp_path / "r" / run / "boxes.txt") for run in ("offline", "lock-step")
    )
    np.testing.assert_allclose(lock_step, offline[:5], atol=0.5)
    assert "Not complete" in (tmp_path / "r" / "report.html").read_text()


def test_a_node_that_is_silent_is_told(bags, weights, tmp_path, monkeypatch):
    prepare_environment(alone=True)
    monkeypatch.setattr(processes, "_STOP_TIMEOUT_S", 0.5)
    at_image(monkeypatch, 5, signal.SIGSTOP)
    parameters = {"checkpoint": str(weights), "adaptation.method": "none"}
    with Bag(bags["/image"]) as bag:
        clip = live.Clip(bag, "/image", FRAMES, START, Box(*truth_boxes()[START].tolist()))
        answers = live.run_real_time(clip, parameters, tmp_path, "sqlite3", 0.5, lambda: None)
    assert isinstance(answers.failure, processes.ProcessError)
    assert "answered no image for 2 s; its last lines" in str(answers.failure)
    assert answers.live["sent"] == len(answers.tracks) >= 6


class SlowStart:
    """A link to a node that needs a while to take the target; notes when images are sent."""

    arrivals = ()
    report = None

    def __init__(self) -> None:
        self.sent_s: list[float] = []

    def pass_time(self, until_s, rate):
        time.sleep(max(0.0, until_s - time.monotonic()))

    def send(self, image):
        if image.index == START:  # the box goes out before, and is waited for
            time.sleep(0.3)
        self.sent_s.append(time.monotonic())
        return self.sent_s[-1]

    def wait_for_start(self, image):
        time.sleep(0.3)

    def settle(self, last_ns):
        pass


def test_images_keep_their_distance_after_a_slow_start(bags, tmp_path, monkeypatch):
    slow = SlowStart()
    monkeypatch.setattr(live, "node_link", lambda *words: nullcontext(slow))
    with Bag(bags["/image"]) as bag:
        clip = live.Clip(bag, "/image", FRAMES, START, Box(*truth_boxes()[START].tolist()))
        answers = live.run_real_time(clip, {}, tmp_path, "sqlite3", 2.0, lambda: None)
    assert answers.failure is None
    assert min(np.diff(slow.sent_s[START:])) > 0.025  # of 0.05 s, the machine may be busy


def test_a_refused_box_is_told_with_the_reason(bags, weights, tmp_path):
    prepare_environment(alone=True)
    parameters = {"checkpoint": str(weights)}
    with Bag(bags["/image"]) as bag:
        clip = live.Clip(bag, "/image", FRAMES, 0, Box(1.0, 1.0, 500.0, 1.0))
        answers = live.run_lock_step(clip, parameters, tmp_path, "sqlite3", lambda: None)
    assert "the node refused the target" in str(answers.failure)
    assert "500" in str(answers.failure)


@pytest.mark.parametrize("last", ["/clock", "/init_box", "/tracker/tracks"])
def test_no_image_is_sent_before_node_and_recorder_have_found_each_other(bags, tmp_path, last):
    prepare_environment(alone=True)
    publishers = {}

    def add(node, topic):
        if topic == "/clock":
            node.create_subscription(Clock, topic, lambda message: None, 1)
        elif topic == "/init_box":
            node.create_subscription(InitBox, topic, lambda message: None, 10)
        else:
            publishers[topic] = node.create_publisher(TrackArray, topic, 10)

    def answer(image):
        tracks.publish(TrackMessage(header=image.header))
        for publisher in publishers.values():
            publisher.publish(TrackArray(header=image.header))

    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    with (
        ros_node("tracker") as ros,
        Bag(bags["/image"]) as bag,
        BagWriter(tmp_path / "b", "mcap") as out,
    ):
        tracks = ros.node.create_publisher(TrackMessage, "/tracker/track", 10)
        ros.node.create_subscription(Image, "/image", answer, 10)
        for topic in {"/clock", "/init_box", "/tracker/tracks"} - {last}:
            add(ros.node, topic)
        clip = link.Clip(bag, "/image", FRAMES, START, Box(1, 2, 30, 40))
        ends = link.NodeLink(clip, out)
        process = SimpleNamespace(check_running=lambda: None)
        connecting = threading.Thread(target=ends.connect, args=(process,))
        connecting.start()
        try:
            wait_until(lambda: ends._trial_ns is not None, ros.spin_once, "answer")
            for _ in range(20):
                ros.spin_once()
            assert connecting.is_alive()
            add(ros.node, last)
            wait_until(lambda: not connecting.is_alive(), ros.spin_once, "connection")
        finally:
            rclpy.shutdown()
            connecting.join(10)
            ends.close()


@pytest.mark.parametrize("stamp", [20, 19])
def test_stamps_that_do_not_ascend_are_refused(stamp):
    tracks = [Track(10, "tracking", Box(1, 2, 3, 4)), Track(20, "lost"), Track(stamp, "lost")]
    with pytest.raises(SourceError, match=r"clip, /image, image 3 \(stamp 0.0000000"):
        live.Clip.of(SimpleNamespace(path="clip"), "/image", tracks)
