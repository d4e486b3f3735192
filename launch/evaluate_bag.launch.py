"""Play a bag to the tracker in real time, and measure what it answered.

``ros2 launch autrack_ros evaluate_bag.launch.py bag:=dog_bag image:=/image truth:=/truth``
Needs rosbag2, and of pip rosbags and matplotlib. The box of the target must be in the bag, on a
topic of autrack_ros/InitBox, as ``autrack bag`` makes it, or of vision_msgs/Detection2DArray.
Without rosbag2, and for lock-step: ``autrack evaluate-bag BAG --live``.
"""

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ShutdownProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

SETTLED_S = 3.0  # after the last image, for answers on their way

ARGUMENTS = (
    DeclareLaunchArgument("bag", description="Folder of the bag"),
    DeclareLaunchArgument(
        "image", default_value="/image", description="Topic of the raw images in the bag"
    ),
    DeclareLaunchArgument(
        "init", default_value="/init_box", description="Topic in the bag with the target's box"
    ),
    DeclareLaunchArgument(
        "truth", default_value="", description="Topic in the bag with the boxes to compare with"
    ),
    DeclareLaunchArgument(
        "rate", default_value="1.0", description="Speed; 2.0 is twice as fast as it was recorded"
    ),
    DeclareLaunchArgument(
        "output", default_value="", description="Folder of results; empty: BAG_evaluation"
    ),
)


def generate_launch_description() -> LaunchDescription:
    """Describe node, recorder, player, and the evaluation when the bag has ended."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=describe)])


def describe(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Describe all with the values of the arguments."""
    bag, image, init, truth, rate, output = (
        LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS
    )
    scratch = tempfile.mkdtemp(prefix="autrack_")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)  # when all processes have ended
    answers = str(Path(scratch) / "answers")
    share = FindPackageShare("autrack_ros")
    tracker = PathJoinSubstitution([share, "launch", "tracker.launch.py"])
    recorder = ExecuteProcess(
        cmd=["ros2", "bag", "record", "--use-sim-time", "-o", answers, "/tracker/track"],
        sigterm_timeout="60",  # to write what it holds
        output="screen",
    )
    # The clock in fine steps: answers are timed by it. It stands still until all are there
    # and, where the bag begins with it, the target is followed.
    player = ExecuteProcess(
        cmd=[
            *("ros2", "bag", "play", bag, "--start-paused", "--clock", "200", "--rate", rate),
            *("--topics", image),
        ],
        output="screen",
    )
    starter = ExecuteProcess(
        cmd=[sys.executable, "-m", "autrack_ros.replay.bag_start", bag, image, init],
        output="screen",
    )
    evaluation = ExecuteProcess(
        cmd=[
            *("autrack", "evaluate-bag", bag, "--image-topic", image, "--init", init),
            *(("--truth-topic", truth) if truth else ()),
            *("--answers", answers, "--rate", rate),
            *(("--output", output) if output else ()),
        ],
        output="screen",
    )
    follow_up = FollowUp(starter, player, recorder, evaluation)
    return [
        # First: it sets the transport of all.
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(tracker),
            launch_arguments={"image": image, "use_sim_time": "true"}.items(),
        ),
        RegisterEventHandler(OnProcessExit(on_exit=follow_up)),
        recorder,
        player,
        starter,
    ]


class FollowUp:
    """What comes after the end of a process; after the last, or a wrong one, all ends."""

    def __init__(self, starter, player, recorder, evaluation):
        self._starter, self._player = starter, player
        self._recorder, self._evaluation = recorder, evaluation
        self._stopping = set()  # recorder and tracker, once the bag has ended

    def __call__(self, event, context):
        """Return the actions."""
        name = "tracker" if is_tracker(event.action) else event.action
        if name is self._starter and event.returncode == 0:
            return None
        if name is self._player and event.returncode == 0:
            self._stopping = {"tracker", self._recorder}
            return [TimerAction(period=SETTLED_S, actions=[self._stop()])]
        if name in self._stopping:
            self._stopping.remove(name)
            # The tracker must not take the cores of what measures it.
            return None if self._stopping else [self._evaluation]
        return [Shutdown(reason="the bag was evaluated, or a process ended early")]

    def _stop(self):
        def is_meant(action):
            return action is self._recorder or is_tracker(action)

        return EmitEvent(event=ShutdownProcess(process_matcher=is_meant))


def is_tracker(action):
    """Whether a process is the tracker's node."""
    return getattr(action, "node_executable", None) == "tracker_node"
