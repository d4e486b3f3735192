"""AUTracker for ROS 2: a SiamFC++ visual tracker that adapts its template pixels to the target.

Layers import only downwards: ``tracking`` (arrays and tensors) <- ``evaluation``, ``training``,
``cli`` <- ``node`` (ROS 2).
"""

# rosidl installs the generated ``autrack_ros.msg`` and ``autrack_ros.srv`` under the same package
# name; extending the path lets a source tree and an installed build serve one import name.
__path__ = __import__("pkgutil").extend_path(__path__, __name__)
