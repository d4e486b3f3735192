"""Bags of image, tracks and status, started and stopped by a button."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from rclpy.executors import ExternalShutdownException

from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.msg import AdaptationReport, Status, TrackArray
from autrack_ros.replay.recorder import Recorder, Topic
from autrack_ros.web.messages import Bag, Recording

_MEGABYTE = 10**6


class BagRecorder:
    """One bag at a time, written in a thread of its own.

    Args:
        folder: for the bags; made with the first one.
        most_megabytes: a bag that is larger ends.
        names: full names of the topics tracks, status and adaptation.
    """

    def __init__(self, folder: Path, most_megabytes: int, names: dict[str, str]) -> None:
        self._folder, self._most_megabytes, self._names = folder, most_megabytes, names
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._path = folder
        self._began = 0.0
        self._bytes = 0
        self._problem = ""

    def start(self, image_topic: str, image_type: type) -> str:
        """Begin a bag; says what became of that.

        Raises:
            OSError: the folder cannot be made.
        """
        if self._thread is not None:
            return f"{self._path.name} is being recorded already"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._new_path()
        topics = [
            Topic(image_topic, image_type, best_effort=True),
            Topic(self._names["tracks"], TrackArray),
            Topic(self._names["status"], Status, latched=True),
            Topic(self._names["adaptation"], AdaptationReport, latched=True),
        ]
        self._stopping.clear()
        self._problem = ""
        self._began, self._bytes = time.monotonic(), 0
        self._thread = threading.Thread(target=self._record, args=(self._path, topics))
        self._thread.start()
        return f"recording {self._path}"

    def stop(self) -> str:
        """End the bag; says what became of it."""
        if self._thread is None:
            return "nothing is being recorded"
        self._stopping.set()
        self._thread.join()
        self._thread = None
        return self._problem or f"recorded {self._path}"

    def check(self) -> str:
        """End a bag that has failed or is full; says why, or nothing."""
        if self._thread is None:
            return ""
        if self._bytes > self._most_megabytes * _MEGABYTE:
            self._problem = f"{self._path}: ended at {self._most_megabytes} MB"
        return self.stop() if self._problem else ""

    def state(self) -> Recording:
        """For the pages."""
        on = self._thread is not None
        bags = (
            [
                Bag(path.parent.name, round(_megabytes(path), 1))
                for path in sorted(self._folder.glob("*/metadata.yaml"), reverse=True)
                if not (on and path.parent == self._path)
            ]
            if self._folder.is_dir()
            else []
        )
        if not on:
            return Recording(False, 0.0, 0.0, bags)
        seconds = round(time.monotonic() - self._began)
        return Recording(True, float(seconds), round(self._bytes / _MEGABYTE, 1), bags)

    def folder(self, name: str) -> Path | None:
        """A finished bag; the name is one of those listed, so no path comes in by it."""
        names = {bag.name for bag in self.state().bags}
        return self._folder / name if name in names else None

    def _record(self, path: Path, topics: list[Topic]) -> None:
        try:
            with (
                BagWriter(path) as bag,
                closing(Recorder(bag, topics, told=self._count)) as recorder,
            ):
                while not self._stopping.is_set():
                    recorder.spin_once()
        except (OSError, SourceError, sqlite3.Error) as error:
            self._problem = f"recording: {error}"
        except ExternalShutdownException:
            return

    def _count(self, topic: str, message: bytes) -> None:
        self._bytes += len(message)

    def _new_path(self) -> Path:
        name = time.strftime("%Y-%m-%d_%H-%M-%S")
        path, count = self._folder / name, 1
        while path.exists():
            count += 1
            path = self._folder / f"{name}_{count}"
        return path


def _megabytes(metadata: Path) -> float:
    """Of the bag that a file belongs to."""
    return sum(file.stat().st_size for file in metadata.parent.iterdir()) / _MEGABYTE
