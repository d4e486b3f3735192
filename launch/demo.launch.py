"""Track an object through a clip.

``ros2 launch autrack_ros demo.launch.py clip:=video.mp4 box:=x,y,width,height``
Takes the arguments of tracker.launch.py as well, such as ``rviz:=true``.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """Describe the tracker and a publisher of the clip; when the clip has ended, all ends."""
    tracker = PathJoinSubstitution([FindPackageShare("autrack_ros"), "launch", "tracker.launch.py"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("clip", description="Video file or folder of images"),
            DeclareLaunchArgument(
                "box",
                description="The object in the first image: x,y,width,height in pixels, "
                "x,y the top left corner",
            ),
            # Its arguments and the transport it sets hold for the publisher as well.
            IncludeLaunchDescription(PythonLaunchDescriptionSource(tracker)),
            Node(
                package="autrack_ros",
                executable="clip_publisher",
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    {
                        "source": ParameterValue(LaunchConfiguration("clip"), value_type=str),
                        "box": ParameterValue(LaunchConfiguration("box"), value_type=str),
                    }
                ],
                remappings=[("image", LaunchConfiguration("image"))],
                arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
                output="screen",
                on_exit=Shutdown(reason="the clip has ended"),
            ),
        ]
    )
