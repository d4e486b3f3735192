"""The tracker node's lifecycle: what it does in every state, and that it ends cleanly from each."""

from __future__ import annotations

import re
import signal
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")


from autrack_ros.msg import Status, Track
from autrack_ros.srv import Initialize, RemoveTarget
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from node_client import MODULE, UPDATED, Client, box_message, node_client
from node_thread import tracker_thread
from pictures import BOX, OTHER
from rclpy.lifecycle import TransitionCallbackReturn
from ros_process import RosProcess, wait_until
from sensor_msgs.msg import Image
from shared_memory import is_left_behind, segments_of
from std_srvs.srv import SetBool

from autrack_ros.node import qos
from autrack_ros.node.tracker_node import main

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
QUICK = {"adaptation.steps": 1}


def state(client: Client, node: str = "tracker") -> str:
    return client.call(GetState, f"{node}/get_state", GetState.Request()).current_state.label


def change(client: Client, *transitions: int, node: str = "tracker") -> bool:
    """Make the transitions; whether the last one succeeded."""
    for transition in transitions:
        request = ChangeState.Request(transition=Transition(id=transition))
        # Not ``call``: who asks twice is refused.
        answer = client.call_async(ChangeState, f"{node}/change_state", request)
        client.until(answer.done, f"transition {transition}")
    return answer.result().success


@pytest.fixture(scope="module")
def ros() -> Iterator[Client]:
    with node_client() as client:
        yield client


@pytest.fixture(scope="module")
def process(ros: Client) -> Iterator[RosProcess]:
    """A node of its own process, for its memory and its log."""
    with ExitStack() as stack:
        started = RosProcess(MODULE, autostart="false", **QUICK)
        stack.callback(started.stop)
        ros.until(lambda: ros.node.count_publishers("tracker/transition_event"), "node")
        yield started
    assert started.wait() == 0, started.output
    assert "Traceback" not in started.output


@pytest.fixture
def client(ros: Client, process: RosProcess) -> Client:
    """The client of an unconfigured node."""
    now = state(ros)
    if now == "active":
        change(ros, DEACTIVATE)
    if now in ("active", "inactive"):
        change(ros, CLEANUP)
    assert state(ros) == "unconfigured", process.output
    ros.forget()
    return ros


def activate(client: Client) -> None:
    assert change(client, ACTIVATE)
    client.forget()
    client.connect()


def test_with_autostart_the_node_goes_to_active_by_itself(ros: Client) -> None:
    with tracker_thread("-r", "__ns:=/auto", **QUICK):
        assert state(ros, "/auto/tracker") == "active"


def test_a_manager_beside_autostart_is_refused_and_does_no_harm(ros: Client) -> None:
    with tracker_thread("-r", "__ns:=/managed", **QUICK):
        for transition in (CONFIGURE, ACTIVATE):
            assert not change(ros, transition, node="/managed/tracker")
        assert state(ros, "/managed/tracker") == "active"


@pytest.mark.parametrize(
    ("before", "wanted", "accepted"),
    [
        (
            (),
            Transition(id=ACTIVATE),
            r"3 is refused, the node is unconfigured: .* configure \(1\)",
        ),
        ((), Transition(label="cleanup"), "cleanup is refused, the node is unconfigured: accepted"),
        ((CONFIGURE,), Transition(id=CONFIGURE), r"1 is refused, .* inactive: .*activate \(3\)"),
        ((CONFIGURE, ACTIVATE), Transition(id=99), r"99 is refused, .* active: .*deactivate \(4\)"),
    ],
)
def test_a_transition_that_the_state_does_not_allow_is_refused_and_logged(
    client: Client,
    process: RosProcess,
    before: tuple[int, ...],
    wanted: Transition,
    accepted: str,
) -> None:
    if before:
        assert change(client, *before)
    now, line = state(client), process.line_count
    request = ChangeState.Request(transition=wanted)
    answer = client.call_async(ChangeState, "tracker/change_state", request)
    client.until(answer.done, "answer")
    assert not answer.result().success
    assert "WARN" in process.wait_for_line(f"/tracker/change_state: transition {accepted}", line)
    assert state(client) == now


def test_every_transition_is_logged_also_without_targets(
    client: Client, process: RosProcess
) -> None:
    line = process.line_count
    assert change(client, CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP)
    process.wait_for_line("waiting for a box", line)
    process.wait_for_line("deactivated: takes no images, keeps no targets", line)
    process.wait_for_line("cleaned up", line)


def test_after_ctrl_c_the_node_is_out_of_the_graph_and_out_of_shared_memory(ros: Client) -> None:
    node = RosProcess(MODULE, "-r", "__ns:=/leaving", **QUICK)
    try:
        images = ros.node.create_publisher(Image, "/leaving/image", qos.SENSOR_IMAGE)
        ros.until(images.get_subscription_count, "node")
        ros.until(lambda: ("tracker", "/leaving") in nodes(ros), "node in the graph")
        segments = segments_of(node.pid)
        assert segments
    finally:
        assert node.stop() == 0, node.output
    assert [segment for segment in segments if is_left_behind(segment)] == []
    wait_until(lambda: ("tracker", "/leaving") not in nodes(ros), ros.spin_once, "end", timeout_s=2)
    ros.node.destroy_publisher(images)


def nodes(client: Client) -> list[tuple[str, str]]:
    """Names and namespaces."""
    return client.node.get_node_names_and_namespaces()


def test_without_autostart_the_node_waits_unconfigured(client: Client) -> None:
    assert state(client) == "unconfigured"
    assert client.images.get_subscription_count() == 0
    assert client.node.count_publishers("tracker/tracks") == 0


def test_images_and_boxes_are_taken_only_while_the_node_is_active(client: Client) -> None:
    taken = (client.images.get_subscription_count, client.boxes.get_subscription_count)
    assert change(client, CONFIGURE)
    assert state(client) == "inactive"
    assert [count() for count in taken] == [0, 0]
    activate(client)
    assert change(client, DEACTIVATE)
    client.until(lambda: [count() for count in taken] == [0, 0], "end of the subscriptions")


def test_deactivate_keeps_the_targets_and_activate_goes_on_with_them(client: Client) -> None:
    change(client, CONFIGURE)
    activate(client)
    client.adapt_target("patch")
    client.adapt_target("other", OTHER)
    assert change(client, DEACTIVATE)
    activate(client)
    client.forget()
    tracks = client.send_for_all(client.image())
    assert list(tracks) == ["patch", "other"]
    assert all(track.state in UPDATED for track in tracks.values())
    assert client.statuses == client.reports == []


def test_what_changed_while_the_node_was_inactive_is_noticed(client: Client) -> None:
    change(client, CONFIGURE)
    activate(client)
    client.start_target("patch")
    change(client, DEACTIVATE)
    activate(client)
    client.images.publish(client.image(width=400, height=304))
    assert "size changed from 320x240 to 400x304" in client.status(Status.ENDED, "patch").text


def test_cleanup_ends_the_targets_gives_memory_back_and_configure_works_again(
    client: Client,
) -> None:
    change(client, CONFIGURE)
    activate(client)
    client.adapt_target("patch")
    memory: list[float] = []
    subscription = client.node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda array: memory.append(memory_mb(array)), 1
    )
    full = client.until(lambda: memory, "diagnostics")[-1]
    change(client, DEACTIVATE, CLEANUP)
    assert client.status(Status.ENDED, "patch").text == "the node was cleaned up"
    client.until(lambda: memory[-1] < full - 30, f"memory more than 30 MB below {full} MB")
    client.node.destroy_subscription(subscription)
    client.forget()
    change(client, CONFIGURE)
    activate(client)
    assert client.send(client.image()).state == Track.IDLE
    assert client.adapt_target("again").id == "again"


def memory_mb(array: DiagnosticArray) -> float:
    values = {value.key: value.value for value in array.status[0].values}
    return float(values["Memory (MB)"])


def test_cleanup_gives_gpu_memory_back_when_nothing_of_the_network_is_left(
    ros: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch", reason="needs torch: pip install torch")
    left: list[object] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: left.append(network()))
    with tracker_thread("-r", "__ns:=/freed", runtime="torch", **QUICK) as node:
        assert state(ros, "/freed/tracker") == "active"
        network = weakref.ref(node._pipeline.tracker.engine.runtime.network)
        node.trigger_deactivate()
        node.trigger_cleanup()
    assert left == [None]


def test_cleanup_answers_who_waits_for_an_adaptation(client: Client) -> None:
    change(client, CONFIGURE)
    activate(client)
    assert client.set_parameter("adaptation.steps", 1000).successful
    request = Initialize.Request(box=box_message(BOX, "long"))
    client.send(client.image())
    answer = client.call_async(Initialize, "tracker/initialize", request)
    client.until(lambda: client.send(client.image()).state == Track.ADAPTING, "ADAPTING")
    change(client, DEACTIVATE)
    assert not answer.done()
    change(client, CLEANUP)
    client.until(answer.done, "answer")
    assert answer.result().reason == "target 'long': the node was cleaned up"
    assert client.set_parameter("adaptation.steps", 1).successful


def test_services_say_that_the_node_is_not_active(client: Client) -> None:
    initialize = Initialize.Request(box=box_message(BOX, "early"))
    response = client.call(Initialize, "tracker/initialize", initialize)
    assert (response.accepted, response.reason.split(":")[0]) == (False, "the node is not active")
    response = client.call(RemoveTarget, "tracker/remove_target", RemoveTarget.Request(id="none"))
    assert (response.success, response.message.split(":")[0]) == (False, "the node is not active")
    client.reset()
    for data in (False, True):
        assert client.call(SetBool, "tracker/enable", SetBool.Request(data=data)).success


def test_disable_stops_and_enable_goes_on_with_the_targets(client: Client) -> None:
    change(client, CONFIGURE)
    activate(client)
    client.adapt_target("patch")
    before = client.send(client.image())
    assert client.call(SetBool, "tracker/enable", SetBool.Request(data=False)).success
    initialize = Initialize.Request(box=box_message(BOX, "refused"))
    response = client.call(Initialize, "tracker/initialize", initialize)
    assert response.reason == "the node is disabled: call ~/enable"
    for _ in range(3):
        client.images.publish(client.image())
        client.spin_once()
    assert client.call(SetBool, "tracker/enable", SetBool.Request(data=True)).success
    after = client.send(client.image())
    assert (after.id, after.state in UPDATED) == ("patch", True)
    assert after.processed_images == before.processed_images + 1


def test_a_missing_model_file_is_named_and_leaves_the_node_unconfigured(
    ros: Client, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vanished.safetensors"
    with tracker_thread("-r", "__ns:=/lacking", autostart="false", checkpoint=path) as node:
        assert state(ros, "/lacking/tracker") == "unconfigured"
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert state(ros, "/lacking/tracker") == "unconfigured"
    (line,) = problems(capfd.readouterr().err)
    assert re.search(rf"ERROR.*not configured: checkpoint {path}.*No such file", line)


def test_a_node_that_cannot_activate_stays_inactive_and_says_why(
    ros: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    override = {"qos_overrides./odd/image.subscription.reliability": "fast"}
    with tracker_thread("-r", "__ns:=/odd", autostart="false", **QUICK, **override) as node:
        assert state(ros, "/odd/tracker") == "unconfigured"
        node.trigger_configure()
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
        assert state(ros, "/odd/tracker") == "inactive"
    (line,) = problems(capfd.readouterr().err)
    assert re.search("ERROR.*not activated: .*reliability.*fast", line)


@pytest.mark.usefixtures("ros")
@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"checkpoint": "vanished.pth"}, "checkpoint vanished.pth .*No such file"),
        ({"qos_overrides./image.subscription.reliability": "fast", **QUICK}, "reliability.*fast"),
    ],
)
def test_with_autostart_a_wrong_start_ends_the_program_with_one_line_and_status_1(
    parameters: dict[str, object], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [text for item in parameters.items() for text in ("-p", ":=".join(map(str, item)))]
    before = signal.getsignal(signal.SIGINT)
    try:
        assert main(["--ros-args", *arguments]) == 1
    finally:
        signal.signal(signal.SIGINT, before)
    (line,) = problems(capfd.readouterr().err)
    assert re.search(f"FATAL.*{reason}", line)


def problems(log: str) -> list[str]:
    return re.findall(".*(?:ERROR|FATAL|Traceback).*", log)


@pytest.mark.parametrize("transitions", [0, 1, 2], ids=["unconfigured", "inactive", "active"])
def test_the_shutdown_transition_ends_all_work_in_every_state(
    ros: Client, transitions: int
) -> None:
    with tracker_thread("-r", "__ns:=/finished", autostart="false", **QUICK) as node:
        assert state(ros, "/finished/tracker") == "unconfigured"
        for trigger in (node.trigger_configure, node.trigger_activate)[:transitions]:
            assert trigger() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_shutdown() == TransitionCallbackReturn.SUCCESS
        assert state(ros, "/finished/tracker") == "finalized"
        names = {thread.name for thread in threading.enumerate()}
        assert not names & {"worker", "adaptation"}
        assert node._inputs == []


def test_a_signal_ends_the_program_cleanly_in_every_state(ros: Client) -> None:
    """Where the node is active, other tests end it with SIGINT."""
    ends: dict[str, tuple[signal.Signals, tuple[int, ...]]] = {
        "unconfigured": (signal.SIGINT, ()),
        "inactive": (signal.SIGTERM, (CONFIGURE,)),
        "active": (signal.SIGTERM, (CONFIGURE, ACTIVATE)),
        "finalized": (signal.SIGINT, (Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,)),
    }
    nodes = {
        name: RosProcess(MODULE, "-r", f"__ns:=/{name}", autostart="false", **QUICK)
        for name in ends
    }
    loading = RosProcess(MODULE, "-r", "__ns:=/configuring", **QUICK)
    ros.until(lambda: ros.node.count_publishers("/configuring/tracker/transition_event"), "node")
    loading.interrupt()
    for name, (number, transitions) in ends.items():
        assert state(ros, f"/{name}/tracker") == "unconfigured"
        if transitions:
            assert change(ros, *transitions, node=f"/{name}/tracker"), nodes[name].output
        assert state(ros, f"/{name}/tracker") == name
        nodes[name].interrupt(number)
    for node in (loading, *nodes.values()):
        assert node.wait() == 0, node.output
        assert problems(node.output) == []
