"""The program web_view among ROS nodes: topics and services in, the page's messages out."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("aiohttp", reason="the page's server needs aiohttp")
pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")
pytest.importorskip("rosbags", reason="recordings need rosbags")

import numpy as np
from autrack_ros.msg import AdaptationReport, Status, Track, TrackArray
from autrack_ros.srv import Initialize, RemoveTarget
from browser import Tab, chromium
from node_client import MODULE as NODE
from node_client import Client, box_of_track
from pictures import BOX, HEIGHT, WIDTH, moved, picture
from rclpy.node import Node
from ros_node import ros_node
from ros_process import RosProcess
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from web_stand_in import next_event, until, with_client

from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image, float_to_image
from autrack_ros.tracking import iou

MODULE = "autrack_ros.web.web_view"
FOLLOW = {"type": "follow", "n": 1, "id": "cup", "x": 100, "y": 80, "width": 50, "height": 40}


class StandInTracker:
    """A node ``tracker`` that takes note of what it is asked, and tells one target's track."""

    def __init__(self, node: Node) -> None:
        self.calls: list = []
        self.node = node
        node.declare_parameter("selected_target", "")
        for kind, name in (
            (Initialize, "initialize"),
            (RemoveTarget, "remove_target"),
            (Trigger, "reset"),
            (SetBool, "enable"),
        ):
            node.create_service(kind, f"~/{name}", self._answer)
        self.images = node.create_publisher(Image, "image", qos.SENSOR_IMAGE)
        self._tracks = node.create_publisher(TrackArray, "~/tracks", qos.RESULT)
        self._track = node.create_publisher(Track, "~/track", qos.RESULT)
        self._map = node.create_publisher(Image, "~/response_map", qos.DEBUG_IMAGE)
        self._status = node.create_publisher(Status, "~/status", qos.STATUS)
        self._template = node.create_publisher(Image, "~/template", qos.LATCHED)
        self._report = node.create_publisher(AdaptationReport, "~/adaptation", qos.LATCHED)
        self.stamp_ns = 1_700_000_000_000_000_001

    def _answer(self, request, response):
        self.calls.append(request)
        if isinstance(response, Initialize.Response):
            response.accepted = request.box.width < 1000
            response.reason = "" if response.accepted else "too wide"
        else:
            response.success = getattr(request, "id", "cup") == "cup"
            if hasattr(response, "message"):
                response.message = "" if response.success else "no target"
        return response

    def header(self) -> Header:
        self.stamp_ns += 66_000_000
        header = Header(frame_id="camera")
        header.stamp.sec, header.stamp.nanosec = divmod(self.stamp_ns, 10**9)
        return header

    def show(self) -> None:
        """An image, and what is tracked in it."""
        header = self.header()
        self.images.publish(bgr_to_image(picture(), header))
        track = Track(
            header=header, state=Track.UNCERTAIN, id="cup", center_x=125.0, center_y=100.0,
            size_x=50.0, size_y=40.0, score=0.4, peak=0.6, second_peak=0.5, sharpness=7.0,
            response_to_image=[8.0, 0.0, 60.0, 0.0, 8.0, 40.0], processing_ms=20.0,
            processed_images=9, dropped_images=2,
        )  # fmt: skip
        self._tracks.publish(TrackArray(header=header, tracks=[track]))
        self._track.publish(track)
        cells = np.zeros((16, 17), np.float32)
        cells[3, 4] = 1.0
        self._map.publish(float_to_image(cells, header))

    def tell(self) -> None:
        """What is told once a target."""
        header = self.header()
        self._status.publish(Status(header=header, event=Status.STARTED, id="cup"))
        self._status.publish(Status(event=Status.REFUSED, id="pot", text="outside the image"))
        self._template.publish(bgr_to_image(np.zeros((30, 90, 3), np.uint8), header))
        self._report.publish(
            AdaptationReport(
                header=header,
                id="cup",
                method="bim",
                losses=[2.0, 1.0],
                best_step=1,
                stop_reason="completed",
            )
        )


class View:
    """web_view as a process."""

    def __init__(self, *arguments: str, **parameters) -> None:
        self.process = RosProcess(MODULE, *arguments, port=0, **parameters)
        line = self.process.wait_for_line(r"web page: http://", timeout_s=90)
        self.url = re.search(r"http://[^/]+", line)[0]
        self.server = SimpleNamespace(port=int(self.url.rpartition(":")[2]))

    def end(self) -> None:
        assert self.process.stop() == 0, self.process.output
        assert "Traceback" not in self.process.output


@pytest.fixture(scope="module")
def tracker():
    """The stand-in, worked on by a thread."""
    with ros_node("tracker") as ros:
        stand_in = StandInTracker(ros.node)
        ended = threading.Event()

        def spin() -> None:
            while not ended.is_set():
                ros.executor.spin_once(timeout_sec=0.05)

        thread = threading.Thread(target=spin)
        thread.start()
        yield stand_in
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def view(tracker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bags")
    view = View(recordings=folder, recording_megabytes=8)
    view.folder = folder
    yield view
    view.end()


@pytest.fixture
def showing(tracker):
    """Images meanwhile."""
    ended = threading.Event()

    def show() -> None:
        while not ended.wait(0.066):
            tracker.show()

    thread = threading.Thread(target=show)
    thread.start()
    yield
    ended.set()
    thread.join()


def test_topics_become_messages(tracker, view, showing):
    async def act(client):
        page = await client.connect()
        hello = await next_event(page, "hello")
        assert (hello["source"], hello["tracker"]) == ("/image", "/tracker")
        shot = await next_event(page, "shot")
        assert (shot["width"], shot["height"]) == (WIDTH, HEIGHT)
        assert shot["payload"].startswith(b"\xff\xd8")
        tracks = await next_event(page, "tracks")
        (row,) = tracks["tracks"]
        assert (row["id"], row["state"]) == ("cup", "uncertain")
        assert [row[name] for name in ("x", "y", "width", "height")] == [100, 80, 50, 40]
        assert row["second_peak"] == 0.5
        while not (tracks["latency_ms"] and tracks["dropped"] == 2):
            tracks = await next_event(page, "tracks")
        answer = await next_event(page, "response")
        assert (answer["id"], answer["rows"], answer["columns"]) == ("cup", 16, 17)
        assert list(answer["payload"]).index(255) == 3 * 17 + 4
        assert answer["to_image"] == [8, 0, 60, 0, 8, 40]
        tracker.tell()
        lines = [await next_event(page, "log") for _ in range(2)]
        told = {(line["event"], line["id"], line["text"]) for line in lines}
        assert told == {("started", "cup", ""), ("refused", "pot", "outside the image")}

    with_client(view.server, act)


def test_facts_that_were_told_before_reach_a_late_page(tracker, view):
    tracker.tell()
    time.sleep(0.3)

    async def act(client):
        seen = {}
        for kind in ("adaptation", "template"):
            page = await client.connect()
            seen[kind] = await next_event(page, kind)
        assert seen["adaptation"]["losses"] == [2, 1]
        assert seen["template"]["payload"].startswith(b"\xff\xd8")

    with_client(view.server, act)


def test_commands_become_calls_and_answers(tracker, view):
    def wanted(kind):
        return [call for call in tracker.calls if isinstance(call, kind)]

    async def act(client):
        page = await client.connect()

        async def ask(**message):
            await page.send_json(message)
            return await next_event(page, "answer")

        stamp = "1700000000123456789"
        answer = await ask(**FOLLOW, stamp=stamp)
        while "there is no service" in answer["text"]:  # until the two have found each other
            await asyncio.sleep(0.1)
            answer = await ask(**FOLLOW, stamp=stamp)
        assert (answer["accepted"], answer["n"]) == (True, 1)
        (call,) = wanted(Initialize.Request)
        assert (call.box.header.stamp.sec, call.box.header.stamp.nanosec) == (
            1_700_000_000,
            123_456_789,
        )
        assert (call.box.id, call.box.x, call.box.height) == ("cup", 100, 40)
        answer = await ask(**{**FOLLOW, "width": 2000}, stamp="0")
        assert not answer["accepted"]
        assert "too wide" in answer["text"]
        answer = await ask(**FOLLOW, stamp="9" * 30)
        assert "no time of ROS" in answer["text"]
        assert (await ask(type="remove", id="cup"))["accepted"]
        answer = await ask(type="remove", id="other")
        assert (answer["accepted"], answer["text"]) == (False, "no target")
        assert (await ask(type="enable", on=False))["accepted"]
        assert wanted(SetBool.Request)[-1].data is False
        assert (await ask(type="select", id="cup"))["accepted"]

    with_client(view.server, act)
    assert tracker.node.get_parameter("selected_target").value == "cup"


def test_camera_that_stops_or_sends_what_cannot_be_shown_is_named(tracker, view):
    async def act(client):
        page = await client.connect()
        problem = await next_event(page, "problem")
        while problem["what"] != "camera" or not problem["text"]:
            problem = await next_event(page, "problem")
        assert "no image on /image for 3 s; publishers: tracker (best effort" in problem["text"]
        tracker.show()
        while problem["what"] != "camera" or problem["text"]:
            problem = await next_event(page, "problem")
        for number in range(100):  # drawn, all of them, so that the next one comes
            await page.send_json({"type": "seen", "number": number})
        message = bgr_to_image(picture(), tracker.header())
        message.encoding = "made_up"
        tracker.images.publish(message)
        while problem["what"] != "picture" or not problem["text"]:
            problem = await next_event(page, "problem")
        assert "encoding 'made_up'" in problem["text"]
        tracker.images.publish(bgr_to_image(np.zeros((2, 70_000, 3), np.uint8), tracker.header()))
        while "70000x2" not in problem["text"]:
            problem = await next_event(page, "problem")

    with_client(view.server, act)


def test_recording_holds_image_tracks_and_status(tracker, view, showing):
    async def act(client):
        page = await client.connect()
        await page.send_json({"type": "record", "n": 1, "on": True})
        answer = await next_event(page, "answer")
        assert answer["accepted"], answer
        recording = await next_event(page, "recording")
        while recording["megabytes"] < 1.5:
            recording = await next_event(page, "recording")
        assert recording["on"]
        await page.send_json({"type": "record", "n": 2, "on": False})
        recording = await next_event(page, "recording")
        while not recording["bags"]:
            recording = await next_event(page, "recording")
        assert "recorded" in (await next_event(page, "answer"))["text"]
        name = recording["bags"][0]["name"]
        async with client.session.get(f"{client.url}/bags/{name}") as answer:
            assert answer.status == 200
            assert len(await answer.read()) > 1_500_000

    with_client(view.server, act)
    bag = min(view.folder.iterdir())
    with AnyReader([bag]) as reader:
        counts = {item.topic: item.msgcount for item in reader.connections}
    assert counts["/image"] > 5
    assert counts["/tracker/tracks"] > 5
    assert counts["/tracker/status"] >= 1


def test_recording_that_is_full_ends_and_says_so(tracker, view, showing):
    async def act(client):
        page = await client.connect()
        await page.send_json({"type": "record", "n": 1, "on": True})
        line = await next_event(page, "log")
        while "ended at 8 MB" not in line["text"]:
            line = await next_event(page, "log")
        await page.send_json({"type": "record", "n": 2, "on": False})
        answer = await next_event(page, "answer")
        assert answer["text"] == "nothing is being recorded"

    with_client(view.server, act)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"image_transport": "theora"}, "image_transport 'theora': accepted are raw, compressed"),
        ({"address": "203.0.113.7"}, "cannot listen on 203.0.113.7"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameter_that_is_wrong_ends_the_program_in_one_line(tracker, parameters, named):
    process = RosProcess(MODULE, port=0, **parameters)
    assert process.wait(90) == 1
    assert named in process.output
    assert "Traceback" not in process.output


def test_elsewhere_a_link_with_a_token_and_its_code_are_shown(tracker):
    process = RosProcess(MODULE, port=0, address="0.0.0.0")
    line = process.wait_for_line(r"\?token=[\w-]{20,}", timeout_s=90)
    assert "http://" in line
    process.wait_for_line("█|▀|▄")
    assert process.stop() == 0


def test_box_drawn_in_the_browser_is_followed_by_the_node():
    """All that there is: camera, node, page, browser."""
    with ros_node("client", "/real") as ros, chromium() as browser:
        client = Client(ros.node, ros.executor)
        place = ("-r", "__ns:=/real")
        node = RosProcess(NODE, *place, threads=1)
        try:
            until(lambda: client.spin_once() or client.images.get_subscription_count(), "node", 90)
            view = View(*place)
            tab = Tab(browser, f"{view.url}/", (WIDTH, HEIGHT))

            def camera_stands() -> None:
                # As slow as a camera: a flood of images is what a new target has to catch up with.
                client.images.publish(client.image())
                end = time.monotonic() + 0.1
                while time.monotonic() < end:
                    client.spin_once()

            def shown() -> bool:
                camera_stands()
                return tab.page.locator("#stage-empty").is_hidden()

            def draw() -> None:
                tab.drag((BOX.x, BOX.y), (BOX.x + BOX.w, BOX.y + BOX.h))
                tab.page.fill("#name", "patch")
                tab.page.keyboard.press("Enter")

            missed = 0

            def tracking() -> bool:
                nonlocal missed
                camera_stands()
                not_sent = tab.text("#log").count("not sent")
                if client.refusal("patch") or not_sent > missed:
                    # The node missed the picture that it was drawn on, or the page has not met
                    # the node yet (both were starting): one draws again.
                    missed = not_sent
                    client.statuses.clear()
                    draw()
                return any(track.state == Track.TRACKING for track in client.tracks)

            until(shown, "picture", 30)
            draw()
            try:
                until(tracking, "track", 90)
            except AssertionError as error:
                told = [(status.event, status.text) for status in client.statuses]
                log = tab.text("#log")
                raise AssertionError(f"{error}: {told}; page: {log}; {node.output}") from error
            for step in range(1, 41):
                track = client.send(client.image(step))
            assert track.state == Track.TRACKING
            assert iou(box_of_track(track), moved(BOX, 40)) > 0.6
            tab.wait_for_text("#targets", "patch")
            tab.wait_for_text("#targets", "tracking")
            tab.wait_for_text("#loss-text", "patch: loss")
            assert tab.faults == []
            view.end()
        finally:
            assert node.stop() == 0, node.output
