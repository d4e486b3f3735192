"""What the node says in other packages' messages: directions, markers, detections, annotations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import Track
from autrack_ros.srv import RemoveTarget
from node_client import Client, node_client
from node_thread import tracker_thread
from pictures import BOX, HEIGHT, OTHER, WIDTH
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image
from visualization_msgs.msg import Marker, MarkerArray

from autrack_ros.node import qos
from autrack_ros.node.problems import BURST
from autrack_ros.node.tracker_node import TrackerNode
from autrack_ros.tracking import Box

FOCAL = 300.0


@pytest.fixture(scope="module")
def ros() -> Iterator[Client]:
    with node_client() as client:
        yield client


@pytest.fixture(scope="module")
def node(ros: Client) -> Iterator[TrackerNode]:
    with tracker_thread(**{"adaptation.method": "none"}) as node:
        ros.connect()
        yield node


@pytest.fixture
def client(ros: Client, node: TrackerNode) -> Client:
    """With a node that has no targets and knows nothing of the camera."""
    ros.reset()
    assert ros.set_parameter("marker_depth", 1.0).successful
    node._pipeline.camera_info = None
    node._problems._left = BURST  # as if it had been quiet for long
    ros.forget()
    return ros


@pytest.fixture(scope="module")
def camera(ros: Client, node: TrackerNode) -> Publisher:
    publisher = ros.node.create_publisher(CameraInfo, "camera_info", qos.SENSOR_IMAGE)
    ros.until(publisher.get_subscription_count, "subscriber of camera_info")
    return publisher


def calibration(**fields: Any) -> CameraInfo:
    k = [FOCAL, 0.0, WIDTH / 2, 0.0, FOCAL, HEIGHT / 2, 0.0, 0.0, 1.0]
    return CameraInfo(**{"width": WIDTH, "height": HEIGHT, "k": k, **fields})


def listen(client: Client, kind: type, topic: str, profile: Any = qos.RESULT) -> list[Any]:
    """Messages of a topic from now on."""
    received: list[Any] = []
    client.node.create_subscription(kind, topic, received.append, profile)
    client.until(lambda: client.node.count_publishers(topic), f"publisher of {topic}")
    return received


def direction(box: Box) -> list[float]:
    x, y = box.pixel_center[0] - WIDTH / 2, box.pixel_center[1] - HEIGHT / 2
    length = math.hypot(x, y, FOCAL)
    return [x / length, y / length, FOCAL / length]


def bearing(track: Track) -> list[float]:
    return [track.bearing.x, track.bearing.y, track.bearing.z]


def calibrated_track(client: Client, camera: Publisher, target_id: str) -> Track:
    """Send images and CameraInfo until that is in use."""

    def track() -> Track | None:
        camera.publish(calibration())
        found = client.send_for_all(client.image())[target_id]
        return found if any(bearing(found)) else None

    return client.until(track, "bearing")


def test_with_camera_info_a_track_has_the_direction_of_its_box(
    client: Client, camera: Publisher
) -> None:
    assert bearing(client.start_target("patch")) == [0, 0, 0]
    track = calibrated_track(client, camera, "patch")
    box = Box(0, 0, track.size_x, track.size_y)
    box = box._replace(x=track.center_x - box.w / 2, y=track.center_y - box.h / 2)
    assert bearing(track) == pytest.approx(direction(box))
    assert bearing(track) == pytest.approx(direction(BOX), abs=0.02)


def test_a_target_without_a_box_has_no_direction(client: Client, camera: Publisher) -> None:
    client.start_target("patch")
    calibrated_track(client, camera, "patch")
    image = client.image()
    image.encoding = "h264"
    track = client.send(image)
    assert (track.state, bearing(track)) == (Track.LOST, [0, 0, 0])


def test_a_wrong_camera_info_is_named_in_the_log_once_and_tracking_goes_on(
    client: Client, node: TrackerNode, camera: Publisher, capfd: pytest.CaptureFixture[str]
) -> None:
    client.start_target("patch")
    refused = "/camera_info: distortion_model 'kaleidoscope': accepted are plumb_bob"
    arrived = 0
    while arrived < 3:
        camera.publish(calibration(distortion_model="kaleidoscope", d=[0.1] * 5))
        track = client.send(client.image())
        assert (track.state, bearing(track)) == (Track.TRACKING, [0, 0, 0])
        arrived += node._problems.last_error[0].startswith(refused)
    assert capfd.readouterr().err.count(refused) == 1


def test_a_camera_info_of_another_image_size_gives_no_direction_but_a_line_in_the_log(
    client: Client, node: TrackerNode, camera: Publisher
) -> None:
    client.start_target("patch")
    calibrated_track(client, camera, "patch")
    refused = f"/camera_info: width {2 * WIDTH}, binning 1: of images of width {2 * WIDTH}"

    def is_refused() -> bool:
        camera.publish(calibration(width=2 * WIDTH, height=2 * HEIGHT))
        client.send(client.image())
        return node._problems.last_error[0].startswith(refused)

    client.until(is_refused, "refusal")
    track = client.send(client.image())
    assert (track.state, bearing(track)) == (Track.TRACKING, [0, 0, 0])


def test_a_binned_part_of_the_sensor_has_the_directions_of_its_pixels(
    client: Client, camera: Publisher
) -> None:
    """The image is the lower right quarter of a sensor of twice the size, binned by two."""
    client.start_target("patch")
    info = calibration(width=4 * WIDTH, height=4 * HEIGHT, binning_x=2, binning_y=2)
    info.roi.x_offset, info.roi.y_offset = 2 * WIDTH, 2 * HEIGHT
    info.roi.width, info.roi.height = 2 * WIDTH, 2 * HEIGHT

    def track() -> Track | None:
        camera.publish(info)
        found = client.send(client.image())
        return found if any(bearing(found)) else None

    found = client.until(track, "bearing")
    x, y = (
        2 * (c + size) - 0.5
        for c, size in zip((found.center_x, found.center_y), (WIDTH, HEIGHT), strict=True)
    )
    ray = [x - WIDTH / 2, y - HEIGHT / 2, FOCAL]
    assert bearing(found) == pytest.approx([value / math.hypot(*ray) for value in ray])


def test_markers_show_the_targets_and_go_with_them(client: Client, camera: Publisher) -> None:
    arrays = listen(client, MarkerArray, "tracker/markers")
    client.start_target("patch")
    client.start_target("other", OTHER)
    calibrated_track(client, camera, "patch")
    assert client.set_parameter("marker_depth", 2.5).successful

    image = client.image()
    client.send(image)
    array = client.until(lambda: marked(arrays, image), "markers of the image")
    shown = {(marker.ns, marker.id): marker for marker in array.markers}
    assert set(shown) == {("patch", 0), ("patch", 1), ("other", 0), ("other", 1)}
    arrow = shown["patch", 0]
    assert (arrow.type, arrow.header.frame_id) == (Marker.ARROW, "camera_optical")
    tip = arrow.points[1]
    ends = [2.5 * value for value in direction(BOX)]
    assert [tip.x, tip.y, tip.z] == pytest.approx(ends, abs=0.05)
    assert client.call(
        RemoveTarget, "tracker/remove_target", RemoveTarget.Request(id="patch")
    ).success
    image = client.image()
    client.send(image)
    array = client.until(lambda: marked(arrays, image), "markers of the image")
    actions = {(marker.ns, marker.id): marker.action for marker in array.markers}
    assert actions == {
        ("patch", 0): Marker.DELETE,
        ("patch", 1): Marker.DELETE,
        ("other", 0): Marker.ADD,
        ("other", 1): Marker.ADD,
    }


def marked(arrays: list[MarkerArray], image: Image) -> MarkerArray | None:
    return next((a for a in arrays if a.markers and a.markers[0].header == image.header), None)


def test_detections_carry_the_targets_in_sight(client: Client) -> None:
    messages = pytest.importorskip("vision_msgs.msg", reason="needs vision_msgs")
    arrays = listen(client, messages.Detection2DArray, "tracker/detections")
    client.start_target("patch")
    image = client.image()
    track = client.send(image)
    array = client.until(lambda: next((a for a in arrays if a.header == image.header), None), "it")
    (detection,) = array.detections
    assert (detection.id, detection.header) == ("patch", image.header)
    center = detection.bbox.center.position
    assert (center.x, center.y) == (track.center_x, track.center_y)
    assert (detection.bbox.size_x, detection.bbox.size_y) == (track.size_x, track.size_y)
    assert detection.results[0].hypothesis.score == pytest.approx(track.score)


def test_annotations_outline_the_targets(client: Client) -> None:
    messages = pytest.importorskip("foxglove_msgs.msg", reason="needs foxglove_msgs")
    received = listen(client, messages.ImageAnnotations, "tracker/annotations")
    client.start_target("patch")
    image = client.image()
    track = client.send(image)
    made = client.until(
        lambda: next((a for a in received if stamps(a) == {stamp(image)}), None), "annotations"
    )
    corners = {(point.x, point.y) for point in made.points[0].points}
    left, top = track.center_x - track.size_x / 2, track.center_y - track.size_y / 2
    assert min(corners) == pytest.approx((left, top))
    assert made.texts[0].text.startswith("patch ")


def stamp(image: Any) -> tuple[int, int]:
    return image.header.stamp.sec, image.header.stamp.nanosec


def stamps(annotations: Any) -> set[tuple[int, int]]:
    return {(p.timestamp.sec, p.timestamp.nanosec) for p in annotations.points}


def test_autowares_timing_topics_tell_the_times_of_an_image(client: Client) -> None:
    messages = pytest.importorskip("autoware_internal_debug_msgs.msg", reason="needs Autoware's")
    topics = [f"tracker/debug/{name}_ms" for name in ("processing_time", "pipeline_latency")]
    topics.append("tracker/debug/cyclic_time_ms")
    processing, latency, cyclic = (listen(client, messages.Float64Stamped, t, 1) for t in topics)

    def complete() -> bool:
        client.send(client.image())
        return bool(processing and latency and cyclic)

    client.until(complete, "timing topics")
    assert 0 < processing[-1].data < 1000
    assert 0 < cyclic[-1].data < 10_000
    now = client.node.get_clock().now().nanoseconds / 1e6
    assert latency[-1].data == pytest.approx(
        now - client.tracks[-1].header.stamp.sec * 1e3, abs=9e3
    )
