"""How well the state LOST tells that a target is not in sight or not where the tracker is.

    python -m benchmarks.lost [--dataset FOLDER] [--pictures FOLDER] [--set NAME=VALUE ...]

A frame is *wrong* where the target is not to be seen, or where the box does not overlap it at all.
While LOST there is no box; then the place where the tracker goes on looking first stands for it.
Precision is the share of LOST frames that are wrong, recall that of wrong frames that are LOST.

Targets that are seen again far from where they were lost are counted apart, by their size.

The cases are annotated sequences as they are; the same with the target taken out of the pictures
for a while; and made clips of objects that were not trained on, which need what
``python -m autrack_ros.training.fetch`` brings. Templates are adapted as by default.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from autrack_ros.evaluation.datasets import read_all
from autrack_ros.evaluation.metrics import ious, present
from autrack_ros.evaluation.sequences import Sequence
from autrack_ros.tracking import (
    AdaptationSettings,
    AutrackError,
    Box,
    TrackingEngine,
    iou,
    load_engine,
)
from autrack_ros.tracking.follower import Follower
from autrack_ros.tracking.presence import PresenceSettings, TrackState
from autrack_ros.tracking.wide_search import WideSearch
from autrack_ros.training.sources import SOURCE_KINDS
from autrack_ros.training.validation.clips import HIDDEN
from autrack_ros.training.validation.held_out import held_out
from autrack_ros.training.validation.made_clips import make_clips
from benchmarks.hard_cases import erase
from benchmarks.machine import describe_machine

CUTOUTS = ("models", "tuxpaint-stamps", "sprites")
ERASED = 20  # frames without the target, from the middle of a sequence on
REAPPEARANCES = 5  # a sequence
PATIENCE = 60  # frames after which a target counts as not found again
SEED = (
    2  # of the made clips; the score was calibrated on those of 0, thresholds chosen on those of 1
)


@dataclass(frozen=True, slots=True)
class Case:
    """A sequence with what is known of its target.

    Attributes:
        words: the rows of the table that it counts in.
        frames: HxWx3 uint8 BGR.
        truth: N x 4, edge coordinates.
        seen: N bool, whether the target is to be seen.
    """

    words: tuple[str, ...]
    frames: Iterable[np.ndarray]
    truth: np.ndarray
    seen: np.ndarray


@dataclass(slots=True)
class Count:
    """Frames of one row of the table, without those that targets were started in."""

    cases: int = 0
    frames: int = 0
    wrong: int = 0
    lost: int = 0
    lost_and_wrong: int = 0
    tracking: int = 0
    tracking_and_wrong: int = 0
    returns: int = 0  # from LOST
    right_returns: int = 0  # to a box that overlaps the target by more than half

    def add(self, states: list[TrackState], overlaps: np.ndarray) -> None:
        """Count a case: the states and overlaps of its frames; 0 where it is not to be seen."""
        wrong = overlaps == 0
        lost, tracking = (
            np.array([state is wanted for state in states])
            for wanted in (TrackState.LOST, TrackState.TRACKING)
        )
        back = ~lost & np.concatenate([[False], lost[:-1]])
        self.cases += 1
        self.frames += len(states)
        self.wrong += int(wrong.sum())
        self.lost += int(lost.sum())
        self.lost_and_wrong += int((lost & wrong).sum())
        self.tracking += int(tracking.sum())
        self.tracking_and_wrong += int((tracking & wrong).sum())
        self.returns += int(back.sum())
        self.right_returns += int((back & (overlaps > 0.5)).sum())

    def row(self, name: str) -> str:
        """The table's line."""
        cells = [
            name,
            self.cases,
            self.frames,
            self.wrong,
            self.lost,
            _share(self.lost_and_wrong, self.lost),
            _share(self.lost_and_wrong, self.wrong),
            _share(self.tracking_and_wrong, self.tracking),
            f"{self.right_returns} of {self.returns}",
        ]
        return "| " + " | ".join(map(str, cells)) + " |"


HEADER = (
    "| cases | number | frames | wrong | LOST | precision | recall | wrong of TRACKING "
    "| taken back right |\n|---|---|---|---|---|---|---|---|---|"
)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


@dataclass(slots=True)
class Table:
    """Counts by word, in the order in which the words came."""

    counts: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))

    def add(self, case: Case, states: list[TrackState], overlaps: np.ndarray) -> None:
        """Count a case in the row of each of its words."""
        for word in case.words:
            self.counts[word].add(states, overlaps)

    def __str__(self) -> str:
        return "\n".join([HEADER, *(count.row(word) for word, count in self.counts.items())])


def follow(
    engine: TrackingEngine, settings: PresenceSettings, case: Case
) -> tuple[list[TrackState], np.ndarray]:
    """States and overlaps of all frames but the first, which the target is started in."""
    follower = Follower(engine, settings)
    states, boxes = [], []
    for number, image in enumerate(case.frames):
        if number == 0:
            started = engine.start(image, Box(*case.truth[0].tolist()))
            adapted, _ = engine.adapt(image, started, AdaptationSettings())
            follower.put("target", adapted, image)
            continue
        frame = follower.follow(image)["target"]
        states.append(frame.state)
        boxes.append(frame.box or follower["target"].box)
    overlaps = ious(np.array(boxes), case.truth[1:])
    return states, np.where(case.seen[1:], overlaps, 0.0)


def as_they_are(sequences: Iterable[Sequence]) -> Iterator[Case]:
    """Annotated sequences, a row for each."""
    for sequence in sequences:
        words = ("sequences", sequence.name)
        yield Case(words, sequence.frames, sequence.truth, present(sequence.truth))


def erased(sequences: Iterable[Sequence]) -> Iterator[Case]:
    """The same, but in the middle the target is gone for a while; what is around it fills in."""
    for sequence in sequences:
        begin = len(sequence.truth) // 2
        gone = np.zeros(len(sequence.truth), bool)
        gone[begin : begin + ERASED] = True
        seen = present(sequence.truth) & ~gone
        yield Case(
            ("sequences, target erased", sequence.name),
            _erase(sequence, gone),
            sequence.truth,
            seen,
        )


def _erase(sequence: Sequence, gone: np.ndarray) -> Iterator[np.ndarray]:
    for image, box, is_gone in zip(sequence.frames, sequence.truth, gone, strict=True):
        yield erase(image, Box(*box.tolist())) if is_gone and np.isfinite(box).all() else image


def made(pictures: Path, count: int, seed: int) -> Iterator[Case]:
    """Made clips, a row for each attribute."""
    sources = [SOURCE_KINDS["cutouts"](pictures / name, name) for name in CUTOUTS]
    objects = [
        thing for source in sources for thing in source.objects() if held_out(source.name, thing)
    ]
    photos = sorted((pictures / "backgrounds").glob("*.jpg"))
    for clip in make_clips(objects, photos, count, seed):
        words = ("made clips", *clip.attributes)
        yield Case(words, clip.frames, clip.truth, clip.visible >= HIDDEN)


def frames_to_scan(engine: TrackingEngine, box: Box, width: int, height: int) -> tuple[int, int]:
    """Frames after which all of an image was looked at for a lost target, and those of a round."""
    follower = Follower(engine)
    target = engine.start(np.zeros((height, width, 3), np.uint8), box)
    search = WideSearch(target.center, engine.search_sides(target), width, height)
    random = np.random.default_rng(0)
    to_image = np.array([[width / 16, 0, 0], [0, height / 16, 0]])
    seen: set[tuple[float, float]] = set()
    all_seen = 0
    for frame in itertools.count(1):
        _, coarse = search.next_places(follower.lost_places)
        if seen.intersection(coarse):
            return all_seen, frame - 1
        for place in coarse:
            seen.add(place)
            search.learn(random.random((16, 16), np.float32), to_image)
            all_seen = frame
    raise AssertionError


def cost_table(engine: TrackingEngine, width: int = 640, height: int = 480) -> str:
    """Milliseconds a frame, and the length of a scan, by the target's side."""
    lines = [
        "| target, in 640x480 | TRACKING ms | LOST ms | frames to see all | frames of a round |"
    ]
    lines.append("|---|---|---|---|---|")
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    never = PresenceSettings(tracking_score=0, lost_score=0, found_score=1)
    always = PresenceSettings(
        tracking_score=1, lost_score=1, lost_frames=1, found_score=1, search_after=0
    )
    shown = {never: np.roll(image, 40, axis=0), always: np.zeros_like(image)}
    for side in (24, 48, 96, 192):
        box = Box((width - side) / 2, (height - side) / 2, side, side)
        milliseconds = []
        for settings in (never, always):
            follower = Follower(engine, settings)
            follower.put("target", engine.start(image, box), image)
            times = []
            for _ in range(25):
                started = time.perf_counter()
                follower.follow(shown[settings])
                times.append((time.perf_counter() - started) * 1e3)
            milliseconds.append(statistics.median(times[5:]))
        cells = (
            f"{side}x{side}",
            *(f"{value:.1f}" for value in milliseconds),
            *frames_to_scan(engine, box, width, height),
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Reappearance:
    """A target that is seen again far from where it was lost.

    Attributes:
        side: of the square target that would be searched for in as large a region, pixels.
        frames: until it was taken back; None where not within ``PATIENCE`` frames, or wrongly.
    """

    side: float
    frames: int | None


def find_again(
    engine: TrackingEngine, settings: PresenceSettings, sequence: Sequence
) -> Iterator[Reappearance]:
    """Lose a target in the corner farthest from it, while it is erased; then show it.

    Reappearances in which the erased target is not LOST are left out.
    """
    images = list(sequence.frames)
    boxes = [Box(*box.tolist()) for box in sequence.truth]
    started = engine.start(images[0], boxes[0])
    adapted, _ = engine.adapt(images[0], started, AdaptationSettings())
    height, width = images[0].shape[:2]
    corners = [(x * width, y * height) for x in (0.15, 0.85) for y in (0.15, 0.85)]
    last = len(images) - 1
    for begin in np.linspace(last // 4, last - 25, REAPPEARANCES).astype(int):
        box = boxes[begin]
        far = max(corners, key=lambda corner: math.dist(corner, box.pixel_center))
        follower = Follower(engine, settings)
        there = replace(adapted, center=far, size=(box.w, box.h))
        follower.put("target", there, images[0])
        hidden = erase(images[begin], box)
        # Rounds of the scan are then at different stages.
        for _ in range(settings.lost_frames + 3 + begin % 6):
            state = follower.follow(hidden)["target"].state
        if state is not TrackState.LOST:
            continue
        taken_back = None
        for number in range(1, PATIENCE + 1):
            shown = last - abs((begin + number - 1) % (2 * last) - last)  # to the end and back
            frame = follower.follow(images[shown])["target"]
            if frame.box is not None:
                taken_back = number if iou(frame.box, boxes[shown]) > 0.5 else None
                break
        yield Reappearance(math.sqrt(there.box.area), taken_back)


def find_again_table(reappearances: list[Reappearance]) -> str:
    """Frames until targets were taken back, by their size."""
    lines = ["| target | number | median frames | within 10 | within 30 | within 60 |"]
    lines.append("|---|---|---|---|---|---|")
    for low, high in ((0, 40), (40, 80), (80, math.inf), (0, math.inf)):
        frames = [
            math.inf if one.frames is None else one.frames
            for one in reappearances
            if low <= one.side < high
        ]
        within = (
            _share(sum(n <= most for n in frames), len(frames)) for most in (10, 30, PATIENCE)
        )
        median = f"{statistics.median(frames):.0f}" if frames else "-"
        cells = (f"{low} to {high}", len(frames), median, *within)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def parse_setting(text: str) -> tuple[str, float | int]:
    """NAME=VALUE, where NAME is a field of ``PresenceSettings``."""
    name, _, value = text.partition("=")
    if name not in PresenceSettings.__dataclass_fields__:
        accepted = ", ".join(PresenceSettings.__dataclass_fields__)
        raise argparse.ArgumentTypeError(f"{text!r}: accepted are NAME=VALUE with {accepted}")
    try:
        return name, int(value) if name.endswith("frames") else float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {value!r} is no such number") from error


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, default=Path("../shared/data/dev_sequences"))
    parser.add_argument("--pictures", type=Path, default=Path(".cache/training"))
    parser.add_argument("--clips", type=int, default=72)
    parser.add_argument("--seed", type=int, default=SEED, help="of the made clips")
    parser.add_argument("--set", type=parse_setting, nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    try:
        settings = PresenceSettings(**dict(arguments.set))
        engine = load_engine(device=arguments.device)
        about = f"{arguments.threads} threads, {engine.runtime.name}"
        print(f"{describe_machine()}; {about}\n{settings}\n")
        print(cost_table(engine))
        sequences = read_all(arguments.dataset)
        again = [one for each in sequences for one in find_again(engine, settings, each)]
        print(f"\n{find_again_table(again)}", flush=True)
        for cases in (
            as_they_are(sequences),
            erased(sequences),
            made(arguments.pictures, arguments.clips, arguments.seed),
        ):
            table = Table()
            for case in cases:
                table.add(case, *follow(engine, settings, case))
            print(f"\n{table}", flush=True)
    except AutrackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
