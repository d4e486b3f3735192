"""Start the tracker: ``ros2 launch autrack_ros tracker.launch.py image:=/camera/image_raw``.

``ros2 launch autrack_ros tracker.launch.py --show-args`` lists the arguments.
"""

import os

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import (
    EnvironmentVariable,
    LaunchConfiguration,
    PathJoinSubstitution,
    PythonExpression,
)
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

CONFIG = PathJoinSubstitution([FindPackageShare("autrack_ros"), "config"])

# Fast DDS 3 warns of the variable of Fast DDS 2.
FAST_DDS_2 = os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy")
PROFILE_VARIABLE = f"{'FASTRTPS' if FAST_DDS_2 else 'FASTDDS'}_DEFAULT_PROFILES_FILE"

ARGUMENTS = (
    DeclareLaunchArgument(
        "namespace", default_value="", description="Namespace of the node and its topics"
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=PathJoinSubstitution([CONFIG, "tracker.yaml"]),
        description="YAML file with the parameters of the node",
    ),
    DeclareLaunchArgument(
        "tracker",
        default_value="",
        description="autrack, or another tracker as module:Class; empty: that of params_file",
    ),
    DeclareLaunchArgument(
        "publish_tf",
        default_value="",
        choices=["", "true", "false"],
        description="Publish a frame tracker/<id> for every target with a position; empty: as "
        "params_file has it",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="false",
        choices=["true", "false"],
        description="Take the time from /clock, as in simulation and when playing a bag",
    ),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=["debug", "info", "warn", "error", "fatal"],
        description="Least severity that is logged",
    ),
    DeclareLaunchArgument(
        "image",
        default_value="image",
        description="Topic of the images; compressed ones are taken from that with /compressed",
    ),
    DeclareLaunchArgument(
        "camera_info",
        default_value=PythonExpression(
            ["''.join('", LaunchConfiguration("image"), "'.rpartition('/')[:2]) + 'camera_info'"]
        ),
        description="Topic of the camera's calibration; beside the images, as drivers have it",
    ),
    DeclareLaunchArgument(
        "rviz",
        default_value="false",
        choices=["true", "false"],
        description="Also start RViz with overlay, heat map, template and markers",
    ),
    DeclareLaunchArgument(
        "web",
        default_value="false",
        choices=["true", "false"],
        description="Also serve the page to see, mark and watch targets in a browser",
    ),
    DeclareLaunchArgument(
        "web_address",
        default_value="127.0.0.1",
        description="Address the page is served on; 0.0.0.0 lets others in, with a token",
    ),
    DeclareLaunchArgument("web_port", default_value="8080", description="Port of the page"),
)


NAMESPACE = LaunchConfiguration("namespace")
REMAPPINGS = [(name, LaunchConfiguration(name)) for name in ("image", "camera_info")]
USE_SIM_TIME = {
    "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
}


def describe_tracker(context: LaunchContext) -> list[Node]:
    """Describe the node; an argument that is not given leaves the parameter to the file."""
    types = {"tracker": str, "publish_tf": bool}
    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=of_type)
        for name, of_type in types.items()
        if LaunchConfiguration(name).perform(context)
    }
    return [
        Node(
            package="autrack_ros",
            executable="tracker_node",
            name="tracker",
            namespace=NAMESPACE,
            parameters=[LaunchConfiguration("params_file"), {**USE_SIM_TIME, **given}],
            remappings=REMAPPINGS,
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            output="screen",
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Describe the node, RViz and the page on demand, and the transport of images that both use."""
    profile = PathJoinSubstitution([CONFIG, "fastdds_shm.xml"])
    return LaunchDescription(
        [
            *ARGUMENTS,
            # A user's own profile stays.
            SetEnvironmentVariable(
                PROFILE_VARIABLE, EnvironmentVariable(PROFILE_VARIABLE, default_value=profile)
            ),
            OpaqueFunction(function=describe_tracker),
            Node(
                package="rviz2",
                executable="rviz2",
                namespace=NAMESPACE,
                arguments=["-d", PathJoinSubstitution([CONFIG, "tracker.rviz"])],
                parameters=[USE_SIM_TIME],
                remappings=REMAPPINGS,
                condition=IfCondition(LaunchConfiguration("rviz")),
            ),
            Node(
                package="autrack_ros",
                executable="web_view",
                namespace=NAMESPACE,
                parameters=[
                    LaunchConfiguration("params_file"),
                    USE_SIM_TIME,
                    {
                        "address": ParameterValue(
                            LaunchConfiguration("web_address"), value_type=str
                        ),
                        "port": ParameterValue(LaunchConfiguration("web_port"), value_type=int),
                    },
                ],
                remappings=REMAPPINGS,
                output="screen",
                condition=IfCondition(LaunchConfiguration("web")),
            ),
        ]
    )
