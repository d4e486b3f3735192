"""Two templates of one target side by side: the one as cut says where it is, the adapted one helps.

An adapted template places the edges of a box better and, now and then, takes another object for
the target. So where the two see the target in the same place, the box that is given lies between
theirs, and where they do not, the template as cut is believed. Where to look next follows from the
template as cut alone, so the adapted one can never lead away. Measured in docs/template_update.md.
"""

from __future__ import annotations

from autrack_ros.tracking.boxes import Box, iou

AGREEING = 0.5  # overlap of their boxes from which on both see the same thing


def between(cut: Box, adapted: Box, cut_score: float, adapted_score: float) -> Box:
    """Where a target is that two templates were searched for.

    Args:
        cut: the box that the template as cut gives, edge coordinates.
        adapted: that of the adapted template.
        cut_score: 0..1, of the first box.
        adapted_score: 0..1, of the other one.

    Returns:
        a box between the two, nearer to the one with the higher score, if they overlap by
        ``AGREEING`` or more; else the first one.
    """
    if iou(cut, adapted) < AGREEING or cut_score + adapted_score == 0:
        return cut
    share = adapted_score / (cut_score + adapted_score)
    return Box(*(one + share * (other - one) for one, other in zip(cut, adapted, strict=True)))
