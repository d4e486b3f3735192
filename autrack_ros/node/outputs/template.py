"""``~/template``: the template before and after its update."""

from __future__ import annotations

from sensor_msgs.msg import Image

from autrack_ros.drawing import draw_template
from autrack_ros.node import qos
from autrack_ros.node.background_adaptation import Adapted
from autrack_ros.node.outputs.image_messages import bgr_to_image
from autrack_ros.node.outputs.output import Output, Topics


class Template(Output):
    """A picture of what the target is looked for with."""

    def __init__(self, topics: Topics) -> None:
        self._template = topics.make(Image, "~/template", qos.LATCHED)

    def adapted(self, done: Adapted) -> None:
        """Publish the template that is in use from now on."""
        if not done.job.cancelled:
            panel = draw_template(done.target.template, done.target.adapted_template)
            self._template.publish(bgr_to_image(panel, done.job.header))
