"""The action ~/follow of the running node, each of its ends; and positions from its depth input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from action_msgs.msg import GoalStatus
from autrack_ros.action import Follow
from autrack_ros.msg import Motion, Status, Track
from autrack_ros.srv import RemoveTarget
from depth_images import depth_image
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from node_client import Client, box_message, node_client
from node_thread import tracker_thread
from pictures import BOX, HEIGHT, OTHER, WIDTH
from rclpy.action import ActionClient
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from autrack_ros.node import qos
from autrack_ros.node.problems import BURST
from autrack_ros.node.tracker_node import TrackerNode
from autrack_ros.tracking import Box

ABORTED, CANCELED = GoalStatus.STATUS_ABORTED, GoalStatus.STATUS_CANCELED
SUCCEEDED = GoalStatus.STATUS_SUCCEEDED
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


@pytest.fixture(scope="module")
def server(ros: Client, node: TrackerNode) -> Iterator[ActionClient]:
    made = ActionClient(ros.node, Follow, "tracker/follow")
    ros.until(made.server_is_ready, "action server")
    yield made
    made.destroy()


@pytest.fixture
def client(ros: Client, node: TrackerNode) -> Client:
    ros.reset()
    node._depth.clear()
    node._problems._left = BURST  # as if it had been quiet for long
    ros.forget()
    return ros


class Goal:
    """A goal from the client's side."""

    def __init__(self, client: Client, server: ActionClient, box: Any, **wishes: float) -> None:
        self._client = client
        self.feedback: list[Track] = []
        sent = server.send_goal_async(
            Follow.Goal(box=box, **wishes), lambda heard: self.feedback.append(heard.feedback.track)
        )
        client.until(sent.done, "answer to the goal")
        self.handle = sent.result()
        self.accepted = self.handle.accepted
        self._ended = self.handle.get_result_async() if self.accepted else None

    def followed(self) -> Track:
        """Send images until one shows the target; its feedback."""

        def seen() -> Track | None:
            self._client.send_for_all(self._client.image())
            return next((track for track in self.feedback if track.size_x > 0), None)

        return self._client.until(seen, "feedback")

    def end(self, send: Any = lambda: None) -> tuple[int, int, str]:
        """Wait for the end: goal status, reason and text."""
        self._client.until(lambda: send() or self._ended.done(), "result of the goal")
        answer = self._ended.result()
        return answer.status, answer.result.reason, answer.result.text


def test_a_goal_starts_a_target_reports_on_it_and_its_cancel_ends_it(
    client: Client, server: ActionClient
) -> None:
    goal = Goal(client, server, box_message(BOX, "cup"))
    track = goal.followed()
    assert (track.id, track.state) == ("cup", Track.TRACKING)
    assert track.score > 0.5
    goal.handle.cancel_goal_async()
    assert goal.end() == (CANCELED, Follow.Result.REMOVED, "cancelled")
    assert client.status(Status.ENDED, "cup").text == "cancelled"
    assert client.send_for_all(client.image()) == {}


def test_a_goal_for_a_past_image_starts_there(client: Client, server: ActionClient) -> None:
    past = client.image()
    client.send(past)
    client.send(client.image())
    goal = Goal(client, server, box_message(BOX, "cup", past))
    goal.followed()
    assert client.status(Status.STARTED, "cup").header.stamp == past.header.stamp
    goal.handle.cancel_goal_async()
    goal.end()


def test_several_goals_are_followed_at_once(client: Client, server: ActionClient) -> None:
    goals = [Goal(client, server, box_message(box, n)) for n, box in (("a", BOX), ("b", OTHER))]
    assert [goal.followed().id for goal in goals] == ["a", "b"]
    goals[0].handle.cancel_goal_async()
    assert goals[0].end()[0] == CANCELED
    goals[1].feedback.clear()
    assert goals[1].followed().id == "b"
    goals[1].handle.cancel_goal_async()
    goals[1].end()


def test_a_goal_for_an_unknown_stamp_is_rejected_with_the_reason(
    client: Client, server: ActionClient
) -> None:
    client.send(client.image())
    unknown = Image(header=Header())
    unknown.header.stamp.sec = 77_000
    goal = Goal(client, server, box_message(BOX, "late", unknown))
    assert not goal.accepted
    assert "no image of stamp 77000.000 s" in client.status(Status.REFUSED, "late").text


@pytest.mark.parametrize("wish", [{"timeout": -1.0}, {"lost_timeout": float("nan")}])
def test_a_goal_with_a_wrong_timeout_is_rejected_with_the_reason(
    client: Client, server: ActionClient, wish: dict[str, float]
) -> None:
    assert not Goal(client, server, box_message(BOX, "odd"), **wish).accepted
    assert "a number of at least 0 is accepted" in client.status(Status.REFUSED, "odd").text


def test_a_goal_for_a_disabled_node_is_rejected_with_the_reason(
    client: Client, server: ActionClient
) -> None:
    client.call(SetBool, "tracker/enable", SetBool.Request(data=False))
    assert not Goal(client, server, box_message(BOX, "early")).accepted
    assert "the node is disabled" in client.status(Status.REFUSED, "early").text
    client.call(SetBool, "tracker/enable", SetBool.Request(data=True))


def test_a_box_that_cannot_be_followed_ends_its_goal_as_refused(
    client: Client, server: ActionClient
) -> None:
    goal = Goal(client, server, box_message(Box(5000, 0, 50, 50), "outside"))
    status, reason, text = goal.end(lambda: client.send_for_all(client.image()) and None)
    assert (status, reason) == (ABORTED, Follow.Result.REFUSED)
    assert "must lie inside" in text


def test_a_cancel_that_comes_before_the_start_is_obeyed(
    client: Client, server: ActionClient
) -> None:
    client.send(client.image())
    goal = Goal(client, server, box_message(BOX, "soon", client.image()))  # not sent yet
    goal.handle.cancel_goal_async()
    assert goal.end() == (CANCELED, Follow.Result.REMOVED, "cancelled")
    for _ in range(3):
        assert client.send_for_all(client.image()) == {}
    assert goal.feedback == []


def test_a_removed_target_ends_its_goal(client: Client, server: ActionClient) -> None:
    goal = Goal(client, server, box_message(BOX, "cup"))
    goal.followed()
    request = RemoveTarget.Request(id="cup")
    assert client.call(RemoveTarget, "tracker/remove_target", request).success
    assert goal.end() == (ABORTED, Follow.Result.REMOVED, "removed")


def test_the_newer_of_two_goals_for_one_id_replaces_the_older(
    client: Client, server: ActionClient
) -> None:
    older = Goal(client, server, box_message(BOX, "cup"))
    older.followed()
    newer = Goal(client, server, box_message(OTHER, "cup"))
    newer.followed()
    status, reason, _ = older.end()
    assert (status, reason) == (ABORTED, Follow.Result.REPLACED)
    heard = len(older.feedback)
    newer.feedback.clear()
    assert newer.followed().center_x == pytest.approx(OTHER.center[0], abs=5)
    assert len(older.feedback) == heard
    newer.handle.cancel_goal_async()
    assert newer.end()[0] == CANCELED


def test_a_refused_goal_leaves_the_one_before_it(client: Client, server: ActionClient) -> None:
    first = Goal(client, server, box_message(BOX, "cup"))
    first.followed()
    second = Goal(client, server, box_message(Box(5000, 0, 50, 50), "cup"))
    assert second.end(lambda: client.send_for_all(client.image()) and None)[1] == 1
    first.feedback.clear()
    first.followed()
    first.handle.cancel_goal_async()
    assert first.end()[0] == CANCELED


def test_a_target_that_stays_lost_ends_its_goal(client: Client, server: ActionClient) -> None:
    goal = Goal(client, server, box_message(BOX, "cup"), lost_timeout=0.3)
    goal.followed()
    status, reason, text = goal.end(lambda: client.send_for_all(client.image(patches=0)) and None)
    assert (status, reason) == (ABORTED, Follow.Result.LOST)
    assert text == "lost for more than 0.3 s"
    assert goal.feedback[-1].state == Track.LOST
    assert client.status(Status.ENDED, "cup").text == text


def test_a_goal_ends_with_success_when_its_time_is_over(
    client: Client, server: ActionClient
) -> None:
    goal = Goal(client, server, box_message(BOX, "cup"), timeout=0.5)
    goal.followed()
    assert goal.end()[:2] == (SUCCEEDED, Follow.Result.TIMEOUT)


def calibration() -> CameraInfo:
    k = [FOCAL, 0.0, WIDTH / 2 - 0.5, 0.0, FOCAL, HEIGHT / 2 - 0.5, 0.0, 0.0, 1.0]
    return CameraInfo(width=WIDTH, height=HEIGHT, k=k)


class DepthCamera:
    """Sends depth before every image."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._infos = client.node.create_publisher(CameraInfo, "camera_info", qos.COMMAND)
        self._depths = client.node.create_publisher(Image, "depth", qos.COMMAND)
        client.until(self._infos.get_subscription_count, "subscriber of camera_info")
        client.until(self._depths.get_subscription_count, "subscriber of depth")

    def send(self, values: np.ndarray | None, encoding: str = "16UC1") -> Track:
        image = self._client.image()
        self._infos.publish(calibration())
        if values is not None:
            header = Header(stamp=image.header.stamp, frame_id=image.header.frame_id)
            self._depths.publish(depth_image(values, encoding, header=header))
        return self._client.send_for_all(image)["cup"]

    def until(self, values: np.ndarray | None, condition: Any, encoding: str = "16UC1") -> Track:
        """Send until the Track is as wanted: another topic may come a little later."""

        def wanted() -> Track | None:
            track = self.send(values, encoding)
            return track if condition(track.motion) else None

        return self._client.until(wanted, "such a Track")


def at(meters: float, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.full((height, width), round(1000 * meters), np.uint16)


def is_measured(motion: Motion) -> bool:
    return motion.position_source == Motion.MEASURED


def test_depth_gives_a_position_and_what_is_wrong_with_it_is_told(
    client: Client, node: TrackerNode
) -> None:
    poses: list[PoseStamped] = []
    health: list[DiagnosticArray] = []
    client.node.create_subscription(PoseStamped, "tracker/pose", poses.append, qos.RESULT)
    client.node.create_subscription(DiagnosticArray, "/diagnostics", health.append, 1)
    assert client.set_parameter("motion.prediction", 0.1).successful
    client.start_target("cup")
    camera = DepthCamera(client)
    track = camera.until(at(2.0), is_measured)
    position = track.motion.position
    assert position.z == pytest.approx(2.0)
    assert position.x == pytest.approx((track.center_x - WIDTH / 2) / FOCAL * 2, abs=1e-6)
    camera.send(at(2.0))
    client.until(lambda: poses, "pose")
    assert poses[-1].pose.position.z == pytest.approx(2.0)
    assert poses[-1].header.frame_id == "camera_optical"

    for values, encoding, said in (
        (at(2.0, WIDTH // 2), "16UC1", "pixels, the image has 320x240: a depth_camera_info"),
        (at(2.0), "mono16", "encoding 'mono16': accepted are 16UC1, 32FC1"),
        (at(0.0), "16UC1", "0 of the"),
        (np.full((HEIGHT, WIDTH), np.nan, np.float32), "32FC1", "0 of the"),
        (None, "", "no image of stamp"),
    ):
        camera.until(at(2.0), is_measured)
        client.statuses.clear()
        track = camera.until(values, lambda motion: motion.position_source == Motion.NONE, encoding)
        assert track.state == Track.TRACKING
        assert said in track.motion.no_position
        assert said in client.status(Status.DEPTH_LOST, "cup").text
    camera.send(None)

    def shown() -> bool:
        status = next(each for each in health[-1].status if "tracker" in each.name)
        return "no position: target 'cup'" in status.message

    client.until(lambda: health and shown(), "diagnostics of the depth")
    client.statuses.clear()
    assert camera.until(at(3.0), is_measured).motion.position.z == pytest.approx(3.0)
    client.status(Status.DEPTH_FOUND, "cup")


def test_an_unusable_image_is_bridged_by_a_marked_prediction_and_no_pose(
    client: Client, node: TrackerNode
) -> None:
    poses: list[PoseStamped] = []
    assert client.set_parameter("motion.prediction", 0.5).successful
    client.start_target("cup")
    camera = DepthCamera(client)
    camera.until(at(2.0), is_measured)
    client.node.create_subscription(PoseStamped, "tracker/pose", poses.append, qos.RESULT)
    image = client.image()
    image.encoding = "nonsense"
    motion = client.send_for_all(image)["cup"].motion
    assert (motion.image_source, motion.position_source) == (Motion.PREDICTED,) * 2
    assert motion.position.z == pytest.approx(2.0, abs=0.05)
    assert [pose for pose in poses if pose.header.stamp == image.header.stamp] == []


def test_cleaning_the_node_up_ends_goals(
    client: Client, node: TrackerNode, server: ActionClient
) -> None:
    goal = Goal(client, server, box_message(BOX, "cup"))
    goal.followed()
    node.trigger_deactivate()
    node.trigger_cleanup()
    status, reason, text = goal.end()
    assert (status, reason) == (ABORTED, Follow.Result.NODE_DOWN)
    assert text == "the node was cleaned up"
