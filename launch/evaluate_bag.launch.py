"""Play a bag to the tracker in real time, and measure what it answered.

``ros2 launch autrack_ros evaluate_bag.launch.py bag:=dog_bag image:=/image truth:=/truth``
Needs rosbag2, and of pip rosbags and matplotlib. The box of the target must be in the bag, on a
topic of autrack_ros/InitBox, as ``autrack bag`` makes it.
Without rosbag2, and for lock-step: ``autrack evaluate-bag BAG --live``.
"""

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
from launch.event_handlers import OnProcessExit, OnProcessIO
from launch.events.process import ShutdownProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

READY = b"waiting for a box on"  # of the node's log
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
    answers = str(Path(tempfile.mkdtemp()) / "answers")
    share = FindPackageShare("autrack_ros")
    tracker = PathJoinSubstitution([share, "launch", "tracker.launch.py"])
    recorder = ExecuteProcess(
        cmd=["ros2", "bag", "record", "--use-sim-time", "-o", answers, "/tracker/track"],
        output="screen",
    )
    # The clock in fine steps: answers are timed by it.
    player = ExecuteProcess(
        cmd=[
            *("ros2", "bag", "play", bag, "--clock", "200", "--rate", rate),
            *("--topics", image, init, "--remap", f"{init}:=/init_box"),
        ],
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
    started = []

    def play_when_ready(event):
        """Play once the node is there; a recorder needs a moment to find it."""
        if started or READY not in event.text:
            return None
        started.append(True)
        return [TimerAction(period=SETTLED_S, actions=[player])]

    stop_recorder = EmitEvent(
        event=ShutdownProcess(process_matcher=lambda action: action is recorder)
    )

    def follow_up(event, context):
        """Go on with what comes after a process; after the last, or without a node, end."""
        if event.action is player:
            return [TimerAction(period=SETTLED_S, actions=[stop_recorder])]
        if event.action is recorder and started:
            return [evaluation]
        return [Shutdown(reason="the bag was evaluated, or a process ended early")]

    return [
        RegisterEventHandler(OnProcessIO(on_stdout=play_when_ready, on_stderr=play_when_ready)),
        RegisterEventHandler(OnProcessExit(on_exit=follow_up)),
        recorder,
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(tracker),
            launch_arguments={"image": image, "use_sim_time": "true"}.items(),
        ),
    ]
