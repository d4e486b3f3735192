"""Targets over real topics: the image of a box, many targets, adaptation in the background."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import AdaptationReport, Status, Track
from autrack_ros.srv import Initialize, RemoveTarget
from node_client import UPDATED, Client, box_message, box_of_track, node_client, tracker_process
from pictures import BOX, OTHER, moved
from ros_process import RosProcess
from sensor_msgs.msg import Image

from autrack_ros.messages.images import image_to_bgr
from autrack_ros.node import qos
from autrack_ros.tracking import Box, iou

THIRD = Box(30, 40, 60, 60)
QUICK = {"adaptation.steps": 2, "adaptation.support_crops": 1, "max_targets": 3}


@pytest.fixture(scope="module")
def ros() -> Iterator[Client]:
    with node_client() as made:
        yield made


@pytest.fixture(scope="module")
def process(ros: Client) -> Iterator[RosProcess]:
    with tracker_process(ros, **QUICK) as started:
        yield started


@pytest.fixture
def client(ros: Client, process: RosProcess) -> Client:
    """A running node without a target, its adaptation short."""
    assert process.running, process.output
    for name, value in (("adaptation.steps", 2), ("selected_target", "")):
        assert ros.set_parameter(name, value).successful
    ros.reset()
    ros.until(lambda: not ros.send_for_all(ros.image()), "image without targets")
    ros.forget()
    return ros


# Init that is right.


def send_moving(client: Client, count: int) -> list[Image]:
    """Images in which the patch moves by two pixels each."""
    images = [client.image(2 * number) for number in range(count)]
    for image in images:
        client.send(image)
    return images


def test_a_box_on_a_past_image_is_started_there_and_catches_up(client: Client) -> None:
    images = send_moving(client, 30)
    client.send_box(moved(BOX, 2 * 5), "past", images[5])
    assert client.status(Status.STARTED, "past").header == images[5].header
    states = []
    for number in range(30, 30 + 25 + 5):  # two steps are made for every image that comes
        track = client.send(client.image(2 * number))
        states.append(track.state)
        if track.size_x:
            break
    assert set(states[:-1]) <= {Track.ADAPTING}  # without a box
    assert iou(box_of_track(track), moved(BOX, 2 * number)) > 0.7


def test_a_box_on_an_image_to_come_waits_for_it(client: Client) -> None:
    send_moving(client, 3)
    images = [client.image(2 * number) for number in range(3, 6)]
    client.send_box(moved(BOX, 2 * 5), "ahead", images[2])
    assert [client.send(image).state for image in images[:2]] == [Track.IDLE, Track.IDLE]
    client.send(images[2])
    assert client.status(Status.STARTED, "ahead").header == images[2].header
    assert iou(box_of_track(client.send(client.image(12))), moved(BOX, 12)) > 0.7


def test_a_box_without_its_image_is_refused_on_status_in_the_log_and_in_the_answer(
    client: Client, process: RosProcess
) -> None:
    client.start_target("kept", OTHER)
    send_moving(client, 3)
    before = process.line_count
    unknown = client.image()
    unknown.header.stamp.sec = 0
    request = Initialize.Request(box=box_message(BOX, "old", unknown))
    response = client.call(Initialize, "tracker/initialize", request)
    assert not response.accepted
    assert response.reason.startswith("target 'old': no image of stamp 0.")
    assert "the buffer holds" in response.reason
    assert response.reason.endswith("; followed are 'kept'")
    assert client.status(Status.REFUSED, "old").text == response.reason
    assert response.reason in process.wait_for_line("target 'old'", after=before)
    client.forget()
    client.send_box(BOX, "old", unknown)
    assert "no image of stamp 0." in client.status(Status.REFUSED, "old").text
    assert set(client.send_for_all(client.image())) == {"kept"}


# Many targets.


def test_all_targets_are_in_one_message_and_the_first_is_on_track(client: Client) -> None:
    client.start_target("patch")
    client.start_target("still", OTHER)
    for shift in (2, 4, 6):
        image = client.image(shift)
        tracks = client.send_for_all(image)
        assert list(tracks) == ["patch", "still"]
        assert iou(box_of_track(tracks["patch"]), moved(BOX, shift)) > 0.7
        assert iou(box_of_track(tracks["still"]), OTHER) > 0.7
        assert all(track.header == image.header for track in tracks.values())
        assert client.track_of(image) == tracks["patch"]


def test_the_selected_target_is_on_track(client: Client) -> None:
    client.start_target("patch")
    client.start_target("still", OTHER)
    for selected, shown in (("still", "still"), ("unknown", "patch"), ("", "patch")):
        assert client.set_parameter("selected_target", selected).successful
        assert client.send(client.image()).id == shown


def test_more_than_max_targets_are_refused(client: Client) -> None:
    for number, box in enumerate((BOX, OTHER, THIRD)):
        client.start_target(f"target {number}", box)
    client.send_box(BOX, "extra")
    text = client.status(Status.REFUSED, "extra").text
    assert text.startswith("target 'extra': max_targets 3 reached: remove one; followed are ")
    assert len(client.send_for_all(client.image())) == 3
    assert client.set_parameter("max_targets", 4).successful
    client.start_target("extra")
    assert client.set_parameter("max_targets", 3).successful


def test_the_same_id_initialises_again(client: Client) -> None:
    client.start_target("patch")
    client.start_target("still", OTHER)
    client.send_box(THIRD, "patch")
    client.until(
        lambda: iou(box_of_track(client.send_for_all(client.image())["patch"]), THIRD) > 0.5,
        "target at its new place",
    )
    tracks = client.send_for_all(client.image())
    assert list(tracks) == ["patch", "still"]
    assert iou(box_of_track(tracks["still"]), OTHER) > 0.7


def test_remove_target_ends_one_and_keeps_the_others(client: Client) -> None:
    client.start_target("gone")
    client.start_target("still", OTHER)
    assert remove(client, "gone").success
    assert client.status(Status.ENDED, "gone").text == "removed"
    tracks = client.send_for_all(client.image())
    assert list(tracks) == ["still"]
    assert iou(box_of_track(tracks["still"]), OTHER) > 0.7
    again = remove(client, "gone")
    assert not again.success
    assert again.message == "no target 'gone'; followed are 'still'"


def remove(client: Client, target_id: str) -> Any:
    request = RemoveTarget.Request(id=target_id)
    return client.call(RemoveTarget, "tracker/remove_target", request)


def test_a_reset_ends_all_targets(client: Client) -> None:
    client.start_target("first")
    client.start_target("second", OTHER)
    client.reset()
    for name in ("first", "second"):
        assert client.status(Status.ENDED, name).text == "reset"
    image = client.image()
    assert client.send_for_all(image) == {}
    assert client.track_of(image).state == Track.IDLE


def test_a_box_of_select_target_is_followed(client: Client) -> None:
    box = ",".join(map(str, BOX))
    selector = RosProcess("autrack_ros.select_target.select_target", box=box, id="selected")
    client.until(lambda: client.send(client.image()) and not selector.running, "end")
    assert selector.wait() == 0, selector.output
    track = client.send(client.image(shift=2))
    assert (track.id, track.state) == ("selected", Track.TRACKING)
    assert iou(box_of_track(track), moved(BOX, 2)) > 0.7


# Adaptation in the background.


def test_adapting_never_stalls_the_images_nor_the_other_targets(client: Client) -> None:
    client.adapt_target("live", OTHER)
    assert client.set_parameter("adaptation.steps", 1000).successful
    client.start_target("slow")
    before = client.send(client.image())
    for shift in range(2, 42, 2):
        tracks = client.send_for_all(client.image(shift))
        assert (tracks["live"].state, tracks["slow"].state) == (Track.TRACKING, Track.ADAPTING)
        assert iou(box_of_track(tracks["live"]), OTHER) > 0.7
        assert iou(box_of_track(tracks["slow"]), moved(BOX, shift)) > 0.7
    assert tracks["live"].processed_images - before.processed_images == 20
    assert tracks["live"].dropped_images == before.dropped_images
    assert "slow" not in {report.id for report in client.reports}


def test_a_reset_cancels_a_running_adaptation(client: Client) -> None:
    assert client.set_parameter("adaptation.steps", 1000).successful
    client.start_target("long")
    client.reset()
    report = client.report("long")
    assert report.stop_reason == "cancelled"
    assert report.steps < 100


def test_a_new_box_cancels_a_running_adaptation_and_a_bad_one_does_not(client: Client) -> None:
    assert client.set_parameter("adaptation.steps", 1000).successful
    client.start_target("patch")
    client.send_box(Box(0, 0, 1, 1), "patch")
    client.until(lambda: client.send(client.image()) and client.refusal("patch"), "refusal")
    assert client.send(client.image()).state == Track.ADAPTING
    assert "patch" not in {report.id for report in client.reports}
    assert client.set_parameter("adaptation.steps", 2).successful
    client.send_box(BOX, "patch")
    client.until(lambda: client.send(client.image()).state in UPDATED, "adapted target")
    reasons = [report.stop_reason for report in client.reports if report.id == "patch"]
    assert reasons == ["cancelled", "completed"]


def test_status_report_and_template_reach_late_subscribers(client: Client) -> None:
    client.adapt_target("latched")
    statuses: list[Status] = []
    reports: list[AdaptationReport] = []
    templates: list[Image] = []
    for kind, topic, received, profile in (
        (Status, "status", statuses, qos.STATUS),
        (AdaptationReport, "adaptation", reports, qos.LATCHED),
        (Image, "template", templates, qos.LATCHED),
    ):
        client.node.create_subscription(kind, f"tracker/{topic}", received.append, profile)
    started = (Status.STARTED, "latched")
    client.until(lambda: started in [(s.event, s.id) for s in statuses], "status")
    client.until(lambda: reports and templates, "report and template")
    assert reports[-1].id == "latched"
    assert image_to_bgr(templates[-1]).shape[1] == 3 * 256
