"""The tracker node with anybody's class as its tracker, over real topics and services."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import Status, Track
from autrack_ros.srv import Initialize
from node_client import (
    MODULE,
    Client,
    box_message,
    box_of_track,
    node_client,
    tracker_process,
)
from node_thread import tracker_thread
from pictures import BOX, HEIGHT, OTHER, WIDTH, moved, picture
from ros_process import RosProcess
from sensor_msgs.msg import Image

from autrack_ros.messages.images import image_to_bgr
from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image
from autrack_ros.node.plugin_engine import PluginEngine
from autrack_ros.node.plugin_follower import PluginFollower
from autrack_ros.node.tracker_node import TrackerNode
from autrack_ros.tracking import Box, PresenceSettings, TrackState

EXAMPLE = "examples.template_matching:TemplateMatching"
ROOT = Path(__file__).resolve().parents[2]
PRESENCE = {"presence.lost_frames": 2, "presence.found_frames": 2}

# The example, which does what the red value of an image's corner says to targets on the left.
ODD = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from examples.template_matching import TemplateMatching


class Odd(TemplateMatching):
    def init(self, image, box):
        if image[0, 0, 0] == 7:
            raise ValueError("no such target")
        super().init(image, box)

    def update(self, image):
        box, score = super().update(image)
        what = int(image[0, 0, 0]) if self.x < 160 else 0
        if what == 1:
            raise KeyError("no target")
        if what == 2:
            return (float("nan"), 1, 2, 3), score
        if what == 3:
            return [1, 2, 3]
        if what == 4:
            time.sleep(600)
        if what == 5:
            os.kill(os.getpid(), 9)
        if what == 6:
            return box, -0.5
        return box, score


class Wild:
    def init(self, image, box):
        self.box = box

    def update(self, image):
        return (1e300, -1e300, 0, 1e300)
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the class, which can be imported."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd_tracker.py").write_text(ODD)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield "odd_tracker:Odd"


@pytest.fixture(scope="module")
def ros() -> Iterator[Client]:
    with node_client() as made:
        yield made


@pytest.fixture(scope="module")
def node(ros: Client, odd: str) -> Iterator[TrackerNode]:
    with tracker_thread(tracker=odd, tracker_timeout=2.0, **PRESENCE) as node:
        ros.connect()
        yield node


@pytest.fixture
def client(ros: Client, node: TrackerNode) -> Client:
    """With a node without targets."""
    ros.reset()
    ros.until(lambda: ros.send(ros.image()).state == Track.IDLE, "IDLE")
    ros.forget()
    return ros


def image(client: Client, what: int = 0, shift: int = 0) -> Image:
    pixels = picture(shift)
    pixels[0, 0] = (0, 0, what)
    return bgr_to_image(pixels, client.header())


def start_both(client: Client) -> None:
    client.start_target("left", BOX)
    client.start_target("right", OTHER)


def ended(client: Client) -> str:
    """All that was said of targets that ended."""
    return "\n".join(s.text for s in client.statuses if s.event == Status.ENDED)


def is_followed(track: Track, box: Box) -> None:
    assert (track.state, box_of_track(track)) == (Track.TRACKING, pytest.approx(box))


def correlation(shift: int) -> float:
    """Of the ball's first box and its moved one; they differ in what shows about the ball."""
    first, later = (
        image[box.y : box.y + box.h, box.x : box.x + box.w]
        for image, box in ((picture(), BOX), (picture(shift), moved(BOX, shift)))
    )
    return float(cv2.matchTemplate(later, first, cv2.TM_CCOEFF_NORMED).item())


def test_two_targets_are_followed_through_a_clip_on_the_usual_topics() -> None:
    """As its users meet it: a process of its own, the example from where it was started."""
    with (
        node_client("example") as client,
        tracker_process(client, "-r", "__ns:=/example", tracker=EXAMPLE) as process,
    ):
        client.connect()
        pictures: dict[str, list[Image]] = {}
        for topic in ("template", "overlay", "response_map", "response_heatmap"):
            profile = qos.LATCHED if topic == "template" else qos.DEBUG_IMAGE
            received = pictures[topic] = []
            client.node.create_subscription(Image, f"tracker/{topic}", received.append, profile)
        first = client.start_target("patch", BOX)
        assert box_of_track(first) == pytest.approx(BOX)
        client.start_target("other", OTHER)
        for shift in range(4, 24, 4):
            sent = client.image(shift)
            tracks = client.send_for_all(sent)
            assert tracks["patch"].header == sent.header
            is_followed(tracks["patch"], moved(BOX, shift))
            is_followed(tracks["other"], OTHER)
            assert tracks["patch"].score == pytest.approx(correlation(shift), abs=1e-5)
            assert (tracks["patch"].peak, tracks["patch"].sharpness) == (0, 0)
        assert client.status(Status.STARTED, "patch").header == first.header
        report = client.report("patch")
        assert (report.method, report.stop_reason, report.steps) == ("none", "disabled", 0)
        client.until(lambda: pictures["template"] and pictures["overlay"], "pictures")
        panel = image_to_bgr(pictures["template"][-1])
        assert panel.shape[1] == 3 * 256
        assert len(np.unique(panel[-256:, :256].reshape(-1, 3), axis=0)) > 100
        assert pictures["response_map"] == pictures["response_heatmap"] == []
    assert f"{EXAMPLE} in a process of its own; waiting for a box" in process.output


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (1, r"update: KeyError: 'no target' \(odd_tracker.py, line 17\)"),
        (2, r"update: it gave \(\(nan, 1, 2, 3\), .*accepted is x, y, w, h"),
        (3, r"update: it gave \[1, 2, 3\]; accepted is"),
    ],
)
def test_what_it_does_wrong_ends_its_target_with_the_reason_and_no_other(
    client: Client, what: int, words: str
) -> None:
    start_both(client)
    assert list(client.send_for_all(image(client))) == ["left", "right"]
    assert list(client.send_for_all(image(client, what))) == ["right"]
    client.until(lambda: re.search(f"odd_tracker:Odd: {words}", ended(client)), "reason")
    is_followed(client.send_for_all(image(client))["right"], OTHER)
    client.start_target("left", BOX)
    is_followed(client.send_for_all(image(client, shift=4))["left"], moved(BOX, 4))


def test_a_target_that_it_does_not_take_is_refused_with_the_reason(client: Client) -> None:
    client.start_target("right", OTHER)
    client.send_box(BOX, "left")
    client.until(lambda: client.send(image(client, 7)) and client.refusal("left"), "refusal")
    assert "odd_tracker:Odd: init: ValueError: no such target" in client.refusal("left")
    is_followed(client.send_for_all(image(client))["right"], OTHER)


@pytest.mark.parametrize(
    ("what", "words"), [(4, "no answer within 2 s"), (5, "its process was ended by SIGKILL")]
)
def test_one_that_hangs_or_dies_ends_its_targets_and_is_started_again(
    client: Client, what: int, words: str
) -> None:
    start_both(client)
    assert client.send_for_all(image(client, what)) == {}
    reason = f"odd_tracker:Odd: update: {words}"
    client.until(lambda: ended(client).count(reason) == 2, "reasons")
    box = box_message(BOX, "again")

    def accepted() -> bool:
        client.boxes.publish(box)
        tracks = client.send_for_all(image(client))
        if not tracks and client.refusal("again"):
            assert "is being started again" in client.refusal("again")
            time.sleep(0.1)
        return "again" in tracks

    client.until(accepted, "target")


def test_states_come_from_its_score(client: Client) -> None:
    start_both(client)
    states = []
    for what in (0, 6, 6, 6, 0, 0, 0):
        tracks = client.send_for_all(image(client, what))
        states.append(tracks["left"].state)
        assert (tracks["left"].size_x == 0) == (tracks["left"].state == Track.LOST)
        assert tracks["right"].state == Track.TRACKING
    lost, tracking = Track.LOST, Track.TRACKING
    assert states == [tracking, Track.UNCERTAIN, lost, lost, lost, tracking, tracking]


def test_a_box_drawn_in_a_past_image_starts_there_and_catches_up(client: Client) -> None:
    past = image(client, shift=0)
    client.send(past)
    for shift in range(3, 30, 3):
        client.send(image(client, shift=shift))
    client.send_box(BOX, "late", past)
    seen = client.status(Status.STARTED, "late")
    assert seen.header == past.header

    def live() -> Track | None:
        track = client.send_for_all(image(client, shift=30))["late"]
        return track if track.size_x else None

    track = client.until(live, "live target")
    is_followed(track, moved(BOX, 30))


def test_initialize_answers_that_nothing_is_adapted(client: Client) -> None:
    request = Initialize.Request(box=box_message(BOX, "asked"))
    answer = client.call_async(Initialize, "tracker/initialize", request)
    client.until(lambda: client.send(image(client)) and answer.done(), "answer")
    result = answer.result()
    assert (result.accepted, result.reason, result.report.stop_reason) == (True, "", "disabled")


def test_its_process_ends_with_the_cleanup_and_another_comes(
    client: Client, node: TrackerNode
) -> None:
    process = node._pipeline.tracker.engine._process._process
    os.kill(process.pid, 0)
    node.trigger_deactivate()
    node.trigger_cleanup()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    node.trigger_configure()
    node.trigger_activate()
    client.connect()
    start_both(client)


@pytest.mark.parametrize(
    ("tracker", "words"),
    [
        ("mosse", "tracker 'mosse': accepted is module:Class"),
        ("absent:Tracker", "tracker absent:Tracker: no module absent in "),
        (f"{EXAMPLE}s", "has no attribute 'TemplateMatchings'"),
    ],
)
def test_one_that_cannot_be_had_ends_the_node_with_one_line(
    ros: Client, tracker: str, words: str
) -> None:
    process = RosProcess(MODULE, "-r", "__ns:=/wrong", tracker=tracker)
    assert process.wait() == 1
    assert words in process.output
    assert "Traceback" not in process.output


# Without a node.


@pytest.fixture
def engine(odd: str, request: pytest.FixtureRequest) -> Iterator[PluginEngine]:
    made = PluginEngine(f"odd_tracker:{request.param}", threads=1, limit_s=60)
    yield made
    made.close()


@pytest.mark.parametrize("engine", ["Wild"], indirect=True)
def test_a_box_of_any_size_anywhere_is_kept_within_the_picture_and_without_a_score_followed(
    engine: PluginEngine,
) -> None:
    follower = PluginFollower(engine, PresenceSettings())
    follower.put("wild", engine.start(picture(), BOX), picture())
    frame: Any = follower.follow(picture())["wild"]
    assert frame.state is TrackState.TRACKING
    assert frame.box.center == (WIDTH, 0)
    assert frame.box[2:] == (1, HEIGHT)
    assert frame.score == 1


@pytest.mark.parametrize("engine", ["Odd"], indirect=True)
def test_an_object_takes_the_next_target_when_its_own_has_gone(engine: PluginEngine) -> None:
    follower, later = (PluginFollower(engine, PresenceSettings()) for _ in range(2))
    follower.put("a", engine.start(picture(), BOX), picture())
    follower.put("b", engine.start(picture(), OTHER), picture())
    follower.hand_over("b", later)
    follower.drop("a")
    follower.put("c", engine.start(picture(), moved(BOX, 1)), picture())
    frames: Any = {**follower.follow(picture()), **later.follow(picture())}
    assert {name: frame.box for name, frame in frames.items()} == {
        "b": OTHER,
        "c": moved(BOX, 1),
    }
