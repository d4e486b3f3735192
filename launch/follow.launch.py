"""Start the tracker with depth and TF for a robot that follows, and Nav2's Following Server.

``ros2 launch autrack_ros follow.launch.py image:=/camera/color/image_raw \
depth:=/camera/aligned_depth_to_color/image_raw nav2:=true``

Takes the arguments of tracker.launch.py as well.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, SetRemap
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("autrack_ros")

ARGUMENTS = (
    DeclareLaunchArgument(
        "depth", default_value="depth", description="Topic of the depth, registered to the images"
    ),
    DeclareLaunchArgument(
        "depth_camera_info",
        default_value="depth_camera_info",
        description="Topic of its calibration; needed where its size differs from the images'",
    ),
    DeclareLaunchArgument(
        "publish_tf",
        default_value="true",
        choices=["true", "false"],
        description="Publish a frame tracker/<id> for every target with a position",
    ),
    DeclareLaunchArgument(
        "nav2",
        default_value="false",
        choices=["true", "false"],
        description="Also start Nav2's Following Server, which must be installed",
    ),
    DeclareLaunchArgument(
        "nav2_params_file",
        default_value=PathJoinSubstitution([SHARE, "config", "nav2_following.yaml"]),
        description="YAML file with the parameters of the Following Server",
    ),
    DeclareLaunchArgument(
        "cmd_vel", default_value="cmd_vel", description="Topic on which the robot is driven"
    ),
)


def generate_launch_description() -> LaunchDescription:
    """Describe the tracker with its inputs, and the Following Server with its lifecycle manager."""
    tracker = PathJoinSubstitution([SHARE, "launch", "tracker.launch.py"])
    wanted = IfCondition(LaunchConfiguration("nav2"))
    namespace = LaunchConfiguration("namespace")
    use_sim_time = {
        "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    }
    return LaunchDescription(
        [
            *ARGUMENTS,
            *(
                SetRemap(src=name, dst=LaunchConfiguration(name))
                for name in ("depth", "depth_camera_info")
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(tracker)),
            Node(
                package="opennav_following",
                executable="opennav_following",
                name="following_server",
                namespace=namespace,
                parameters=[LaunchConfiguration("nav2_params_file"), use_sim_time],
                remappings=[("cmd_vel", LaunchConfiguration("cmd_vel"))],
                condition=wanted,
                output="screen",
            ),
            Node(
                package="nav2_lifecycle_manager",
                executable="lifecycle_manager",
                name="lifecycle_manager_following",
                namespace=namespace,
                parameters=[use_sim_time, {"autostart": True, "node_names": ["following_server"]}],
                condition=wanted,
                output="screen",
            ),
        ]
    )
