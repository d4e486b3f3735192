"""Pictures of a tracker's results: the overlay, the response heat map, the adapted template.

Arrays in, arrays out: no ROS and no tensors, so the node and the command line share them. Boxes and
points are in edge coordinates (see ``tracking.boxes``).
"""

from autrack_ros.drawing.heatmap import draw_heatmap
from autrack_ros.drawing.overlay import DrawnTarget, draw_overlay
from autrack_ros.drawing.style import STATES, style_of
from autrack_ros.drawing.template import draw_template
from autrack_ros.drawing.trail import Trail

__all__ = [
    "STATES",
    "DrawnTarget",
    "Trail",
    "draw_heatmap",
    "draw_overlay",
    "draw_template",
    "style_of",
]
