"""``~/tracks`` and ``~/track``: where all targets are, and the one that is selected."""

from __future__ import annotations

from autrack_ros.msg import Track, TrackArray
from autrack_ros.node import qos
from autrack_ros.node.outputs.output import Output, Topics
from autrack_ros.node.outputs.results import Results, bare_track


class Tracks(Output):
    """Of every image, also of one that could not be used."""

    def __init__(self, topics: Topics) -> None:
        self._tracks = topics.make(TrackArray, "~/tracks", qos.RESULT)
        self._track = topics.make(Track, "~/track", qos.RESULT)

    def publish(self, results: Results) -> None:
        """Publish all targets, and the selected one; without targets, that there are none."""
        header, tracks = results.header, results.tracks
        self._tracks.publish(TrackArray(header=header, tracks=list(tracks.values())))
        if results.selected is None:
            self._track.publish(bare_track(header, Track.IDLE, results.counts))
        else:
            self._track.publish(tracks[results.selected])

    def unusable(self, results: Results) -> None:
        """As ``publish``: all of them are lost there."""
        self.publish(results)
