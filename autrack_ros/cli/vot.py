"""``autrack vot``: run under the VOT toolkit."""

from __future__ import annotations

from autrack_ros.cli.options import RecoverOption, TrackerOptions
from autrack_ros.cli.tables import with_tables


@with_tables
def vot(*, recover: RecoverOption = True, options: TrackerOptions) -> None:
    """Be a tracker of the VOT toolkit, which starts this program itself (TraX, package vot-trax).

    The tracker's section in the toolkit's trackers.ini has label = AUTracker, protocol = trax and
    command = autrack vot, with any of the options below. A LOST target has the confidence 0.
    """
    from autrack_ros.evaluation.vot import serve

    serve(options.load_with_presence(recover))
