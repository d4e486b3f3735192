"""``autrack track --web``: a clip on the page, with boxes from it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("aiohttp", reason="the page's server needs aiohttp")
pytest.importorskip("segno", reason="the page's link needs segno")

from pictures import BOX, OTHER, moved, picture
from web_stand_in import FOLLOW, next_event, with_client

from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.video import VideoFile
from autrack_ros.tracking import AdaptationSettings, Tracker, iou, load_engine
from autrack_ros.web import messages as web
from autrack_ros.web.local_bridge import LocalBridge

ROOT = Path(__file__).parents[2]


class Pages:
    """What the pages are told."""

    def __init__(self) -> None:
        self.events: list = []
        self.pictures: list = []
        self.lines: list = []

    def post(self, event, payload=None) -> None:
        self.events.append(event)

    def post_picture(self, picture) -> None:
        self.pictures.append(picture)

    def log(self, level, text, **what) -> None:
        self.lines.append((what["event"], what["id"], text))

    def of(self, kind) -> list:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture(scope="module")
def tracker():
    settings = AdaptationSettings(steps=1, support_crops=1)
    return Tracker(load_engine(device="cpu"), settings)


class Clip:
    """A bridge that plays some frames, each STEP pixels further, in a thread."""

    STEP = 2

    def __init__(self, tracker, frames: int = 8, box=None) -> None:
        self.pages = Pages()
        self.bridge = LocalBridge("clip.mp4", tracker, 1000.0, True)
        self.bridge.start(self.pages)
        self.answers: list = []
        self.tracked: list = []
        images = [picture(self.STEP * index) for index in range(frames)]

        def play() -> None:
            self.tracked.extend(self.bridge.run(images, box))

        self._thread = threading.Thread(target=play)
        self._thread.start()

    def do(self, command) -> tuple[bool, str]:
        """A command and its answer."""
        count = len(self.answers)
        self.bridge.do(command, lambda accepted, text: self.answers.append((accepted, text)))
        end = time.monotonic() + 20
        while len(self.answers) == count:
            assert time.monotonic() < end, f"no answer to {command}"
            time.sleep(0.01)
        return self.answers[-1]

    def end(self) -> None:
        self._thread.join(60)
        if self._thread.is_alive():
            stack = traceback.format_stack(sys._current_frames()[self._thread.ident])
            raise AssertionError("the clip does not end:\n" + "".join(stack))


def follow(box, stamp="0", name="patch") -> web.Follow:
    return web.Follow(name, *map(float, box), stamp)


def test_clip_waits_on_its_first_frame_for_a_box_and_follows_it(tracker):
    clip = Clip(tracker)
    while not clip.pages.pictures:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(clip.pages.pictures) == 1
    stamp = str(clip.pages.pictures[0].stamp_ns)
    assert clip.do(follow(BOX, stamp)) == (True, "'patch': accepted")
    clip.end()
    assert len(clip.tracked) == 8
    assert clip.tracked[0].report.stop_reason == "completed"
    last = moved(BOX, 7 * Clip.STEP)
    assert iou(clip.tracked[-1].box, last) > 0.6
    row = clip.pages.of(web.Tracks)[-1].tracks[0]
    assert row.id == "patch"
    assert row.state == "tracking"
    assert row.x == pytest.approx(clip.tracked[-1].box.x)
    assert clip.pages.of(web.Response)[-1].id == "patch"
    assert len(clip.pages.of(web.Template)) == len(clip.pages.of(web.Adaptation)) == 1
    assert clip.pages.lines == [("started", "patch", "in frame 1")]


def test_box_on_a_past_frame_is_brought_up_to_the_newest(tracker):
    clip = Clip(tracker, frames=30)
    clip.do(follow(OTHER, name="still"))
    while len(clip.pages.pictures) < 6:
        time.sleep(0.001)
    clip.do(web.Enable(False))
    shown = len(clip.pages.pictures)
    assert shown < 30
    accepted, text = clip.do(follow(BOX, str(clip.pages.pictures[0].stamp_ns)))
    assert accepted, text
    clip.end()
    rows = {row.id: row for row in clip.pages.of(web.Tracks)[-1].tracks}
    assert rows["patch"].x == pytest.approx(BOX.x + 29 * Clip.STEP, abs=6)
    assert len(clip.tracked) == 30  # of the first target alone
    assert iou(clip.tracked[-1].box, OTHER) > 0.6


def test_what_cannot_be_followed_is_refused_and_the_clip_waits_on(tracker):
    clip = Clip(tracker, frames=3)
    accepted, text = clip.do(follow((5000, 5000, 10, 10)))
    assert not accepted
    assert "inside the 320x240 image" in text
    accepted, text = clip.do(follow(BOX, "77"))
    assert "no frame of stamp 77 is kept" in text
    assert clip.do(web.Remove("absent")) == (False, "no target 'absent'; followed are none")
    clip.do(web.Enable(True))
    clip.end()
    assert clip.tracked == []
    assert [line[0] for line in clip.pages.lines] == ["refused", "refused"]


def test_box_that_is_given_needs_no_page(tracker):
    clip = Clip(tracker, frames=4, box=BOX)
    clip.end()
    assert len(clip.tracked) == 4


def test_first_target_that_is_removed_ends_the_output(tracker):
    clip = Clip(tracker, frames=20)
    clip.do(follow(BOX))
    clip.do(web.Enable(False))
    before = len(clip.tracked)
    assert clip.do(web.Reset()) == (True, "")
    assert clip.pages.of(web.Tracks)[-1].tracks == []
    clip.do(follow(OTHER, name="other"))
    clip.end()
    assert len(clip.tracked) == before < 20


def test_command_serves_the_page_and_writes_what_was_drawn(tmp_path):
    with VideoFile(tmp_path / "clip.mp4", 100.0) as video:
        for index in range(10):
            video.write(picture(2 * index))
    process = subprocess.Popen(
        [sys.executable, "-m", "autrack_ros.cli", "track", "clip.mp4", "--web", "--web-port", "0",
         "--adapt-steps", "1", "--output", "boxes.txt"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        told = ""
        while not (link := re.search(r"http://127\.0\.0\.1:(\d+)/", told)):
            told += process.stderr.readline() or pytest.fail(told)

        async def act(client):
            page = await client.connect()
            shot = await next_event(page, "shot")
            box = dict(zip(("x", "y", "width", "height"), BOX, strict=True))
            await page.send_json({**FOLLOW, **box, "stamp": shot["stamp"]})
            assert (await next_event(page, "answer"))["accepted"]

        with_client(SimpleNamespace(port=int(link[1])), act, 90.0)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.stderr.close()
    boxes = read_boxes(tmp_path / "boxes.txt")
    assert len(boxes) == 10
    assert boxes[0] == pytest.approx(BOX, abs=0.01)
    assert boxes[-1][0] == pytest.approx(BOX.x + 18, abs=6)


def test_command_without_box_and_page_says_what_it_needs():
    done = subprocess.run(
        [sys.executable, "-m", "autrack_ros.cli", "track", "clip.mp4"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--box" in done.stderr
    assert "--web" in done.stderr
