"""``~/adaptation``: the report of every adaptation."""

from __future__ import annotations

from autrack_ros.msg import AdaptationReport
from autrack_ros.node import qos
from autrack_ros.node.background_adaptation import Adapted
from autrack_ros.node.outputs.messages import report_message
from autrack_ros.node.outputs.output import Output, Topics


class AdaptationReports(Output):
    """Also of adaptations that were cancelled."""

    def __init__(self, topics: Topics) -> None:
        self._reports = topics.make(AdaptationReport, "~/adaptation", qos.LATCHED)

    def adapted(self, done: Adapted) -> None:
        """Publish the report."""
        self._reports.publish(report_message(done.job.header, done.job.id, done.report))
