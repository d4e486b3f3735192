"""Losing a target and finding it again with the default engine and thresholds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence as Images
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")
from pictures import textured_image

from autrack_ros.evaluation.datasets import read_all
from autrack_ros.evaluation.sequences import Sequence
from autrack_ros.tracking import Box, Follower, PresenceSettings, TrackState, iou, load_engine
from autrack_ros.tracking.likeness import EVERY, LEARNT
from autrack_ros.tracking.recovery import FRAMES_HERE
from benchmarks import hard_cases, lost

DATASET = Path(__file__).parents[3] / "shared/data/dev_sequences"
WIDTH, HEIGHT = 320, 240
TARGET = Box(140, 90, 48, 40)
LOOK, OTHER_LOOK = 4, 14  # seeds of a thing's looks
LOST, TRACKING, UNCERTAIN = TrackState.LOST, TrackState.TRACKING, TrackState.UNCERTAIN
SETTINGS = PresenceSettings()


@pytest.fixture(scope="module")
def engine():
    return load_engine(device="cpu")


@pytest.fixture(scope="module")
def sequences() -> dict[str, Sequence]:
    if not DATASET.is_dir():
        pytest.skip(f"{DATASET} is not here")
    return {sequence.name: sequence for sequence in read_all(DATASET)}


def thing(width: int, height: int, look: int) -> np.ndarray:
    """A card with spots."""
    random = np.random.default_rng(look)
    card = np.full((height, width, 3), random.integers(0, 256, 3), np.uint8)
    for _ in range(6):
        color = random.integers(0, 256, 3).tolist()
        middle = random.integers(0, (width, height)).tolist()
        cv2.circle(card, middle, int(random.integers(5, 14)), color, -1)
    return card


def scene(*things: tuple[Box, int]) -> np.ndarray:
    """Cards of these looks, wholly, partly or not at all in the view, before a calm background."""
    image = cv2.GaussianBlur(textured_image(HEIGHT, WIDTH, 3), (0, 0), 4) // 3 + 60
    image = np.pad(image.astype(np.uint8), ((HEIGHT,) * 2, (WIDTH,) * 2, (0, 0)))
    for (x, y, w, h), look in things:
        left, top = round(x) + WIDTH, round(y) + HEIGHT
        image[top : top + round(h), left : left + round(w)] = thing(round(w), round(h), look)
    return image[HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH].copy()


def moved(box: Box, dx: float, dy: float = 0) -> Box:
    return box._replace(x=box.x + dx, y=box.y + dy)


def follow(engine, images: Images[np.ndarray], box: Box, settings: PresenceSettings = SETTINGS):
    """The frames of a target, but the first, in which it is started."""
    follower = Follower(engine, settings)
    follower.put("a", engine.start(images[0], box), images[0])
    frames = [follower.follow(image)["a"] for image in images[1:]]
    assert all((frame.box is None) == (frame.state is LOST) for frame in frames)
    return frames


def states(frames) -> list[TrackState]:
    return [frame.state for frame in frames]


def test_a_target_that_leaves_the_view_is_lost_and_found_where_it_enters_again(engine):
    away = [moved(TARGET, 12 * step) for step in range(21)]  # outside from step 15 on
    images = [scene((box, LOOK)) for box in [*away, *reversed(away)]]
    frames = follow(engine, images, TARGET)
    assert states(frames[:12]) == [TRACKING] * 12
    assert states(frames[17:24]) == [LOST] * 7
    assert states(frames[-10:]) == [TRACKING] * 10
    assert iou(frames[-1].box, TARGET) > 0.7


@pytest.mark.parametrize("back", [TARGET, Box(20, 20, 48, 40)], ids=["same_place", "elsewhere"])
def test_a_target_hidden_for_20_frames_is_lost_and_found_at_the(engine, back):
    shown, hidden = scene((TARGET, LOOK)), scene()
    frames = follow(engine, [shown] * 5 + [hidden] * 20 + [scene((back, LOOK))] * 25, TARGET)
    assert states(frames[:4]) == [TRACKING] * 4
    first = 4 + SETTINGS.lost_frames - 1
    assert states(frames[first:24]) == [LOST] * (24 - first)
    assert frames[-1].state is TRACKING
    assert iou(frames[-1].box, back) > 0.7


def test_a_small_target_that_reappears_far_away_is_found_within_two_rounds_of_the_scan(engine):
    small, back = Box(24, 20, 20, 18), Box(270, 200, 20, 18)
    _, round_frames = lost.frames_to_scan(engine, small, WIDTH, HEIGHT)
    assert round_frames <= 10
    within = 2 * round_frames + SETTINGS.found_frames  # it comes in the middle of a round
    shown, hidden, again = (scene(*places) for places in ([(small, LOOK)], [], [(back, LOOK)]))
    at_once = PresenceSettings(search_after=0)
    frames = follow(engine, [shown] * 3 + [hidden] * 8 + [again] * within, small, at_once)
    assert states(frames[7:10]) == [LOST] * 3
    assert frames[-1].state is TRACKING
    assert iou(frames[-1].box, back) > 0.6


def test_a_look_alike_that_passes_does_not_take_the_box(engine):
    images = [scene((TARGET, LOOK), (Box(5 * i, 135, 48, 40), OTHER_LOOK)) for i in range(40)]
    frames = follow(engine, images, TARGET)
    assert states(frames) == [TRACKING] * 39
    assert min(iou(frame.box, TARGET) for frame in frames) > 0.7


@pytest.mark.parametrize("comes", [True, False], ids=["with_a_twin", "alone"])
def test_a_target_that_may_have_been_taken_over_by_its_twin_is_uncertain(engine, comes):
    """The twin covers the target and moves on with the box; alone, the target itself moves on."""
    way = [moved(TARGET, 5 * step) for step in range(-30, 16)]
    stands = [[(TARGET, LOOK)] for _ in range(30)]
    twin = [[(box, LOOK)] if comes else [] for box in way[:30]]
    images = [scene(*target, *other) for target, other in zip(stands, twin, strict=True)]
    frames = follow(engine, images + [scene((box, LOOK)) for box in way[30:]], TARGET)
    assert iou(frames[-1].box, way[-1]) > 0.7
    expected = [UNCERTAIN] if comes else [TRACKING]
    assert states(frames[-5:]) == 5 * expected
    assert states(frames[:20]) == [TRACKING] * 20


def test_a_lost_target_is_not_taken_back_for_a_single_good_frame(engine):
    shown, hidden = scene((TARGET, LOOK)), scene()
    images = [shown] * 2 + [hidden] * 5 + ([shown] + [hidden] * 2) * 3 + [shown] * 6
    frames = follow(engine, images, TARGET)
    assert max(frame.score for frame in frames[6:15]) > SETTINGS.found_score  # good, but alone
    assert states(frames[4:15]) == [LOST] * 11
    sustained = FRAMES_HERE - 1
    assert states(frames[15 : 15 + sustained]) == [LOST] * sustained
    assert states(frames[-2:]) == [TRACKING] * 2


def test_what_responds_in_the_place_of_a_lost_target_must_look_like_it(engine, monkeypatch):
    shown, hidden = scene((TARGET, LOOK)), scene()
    images = [shown] * 5 + [hidden] * 10 + [shown] * 15
    assert states(follow(engine, images, TARGET))[-10:] == [TRACKING] * 10
    likeness, calls = engine.likeness, []

    def another_thing(*of):
        calls.append(of)
        return likeness(*of) * (1.0 if len(calls) < 5 else 0.5)

    monkeypatch.setattr(engine, "likeness", another_thing)
    assert states(follow(engine, images, TARGET))[-10:] == [LOST] * 10


def test_what_is_followed_for_sure_is_compared_with_the_first_image_now_and_then(
    engine, monkeypatch
):
    compared, likeness = [], engine.likeness
    monkeypatch.setattr(engine, "likeness", lambda *of: compared.append(of) or likeness(*of))
    follow(engine, [scene((moved(TARGET, i), LOOK)) for i in range(LEARNT + 1 + 4 * EVERY)], TARGET)
    assert len(compared) == LEARNT + 4
    follow(engine, [scene((TARGET, LOOK))] * 9, TARGET, PresenceSettings(lost_score=0))
    assert len(compared) == LEARNT + 4  # the bare tracker is not compared


# --- real sequences


def part(sequence: Sequence, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    return list(itertools.islice(sequence.frames, count)), sequence.truth[:count]


def overlaps(frames, truth: np.ndarray) -> list[float]:
    return [
        iou(frame.box, Box(*box.tolist())) if frame.box else 0.0
        for frame, box in zip(frames, truth[1:], strict=True)
    ]


def turned_away(
    images: Images[np.ndarray], truth: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Half of each picture: the half around the target, then for 25 frames that it is not in.

    Returns:
        the pictures; the boxes in them; whether something of the target is in them.
    """
    width = images[0].shape[1] // 2
    middles = truth[:, 0] + truth[:, 2] / 2
    far = 0 if middles[0] > width else width
    turned = np.interp(np.arange(len(images)), [10, 18, 35, 43], [0, 1, 1, 0])
    near = np.clip(middles - width / 2, 0, width)
    lefts = ((1 - turned) * near + turned * far).astype(int)
    boxes = truth - np.stack([lefts, *[0 * lefts] * 3], axis=1)
    views = [
        np.ascontiguousarray(image[:, left : left + width])
        for image, left in zip(images, lefts, strict=True)
    ]
    return views, boxes, (boxes[:, 0] + boxes[:, 2] > 0) & (boxes[:, 0] < width)


@pytest.mark.parametrize("name", ["pedestrian1", "group1_1", "boat1"])
def test_a_real_target_out_of_the_view_is_lost_and_found_again(engine, sequences, name):
    images, truth = part(sequences[name], 60)
    views, boxes, seen = turned_away(images, truth)
    frames = follow(engine, views, Box(*boxes[0].tolist()))
    gone = np.flatnonzero(~seen[1:])
    assert len(gone) > 15
    assert set(states([frames[index] for index in gone[SETTINGS.lost_frames + 2 :]])) == {LOST}
    assert min(overlaps(frames, boxes)[-3:]) > 0.5


@pytest.mark.parametrize("name", ["boat1", "car-roundabout"])
def test_a_real_target_that_is_erased_for_20_frames_is_lost_and_found_again(
    engine, sequences, name
):
    images, truth = part(sequences[name], 50)
    for index in range(20, 40):
        images[index] = hard_cases.erase(images[index], Box(*truth[index].tolist()))
    frames = follow(engine, images, Box(*truth[0].tolist()))
    assert set(states(frames[:19])) == {TRACKING}
    assert set(states(frames[30:39])) == {LOST}
    assert min(overlaps(frames, truth)[-5:]) > 0.5


@pytest.mark.parametrize("name", ["group1_1", "pedestrian1"])
def test_real_look_alikes_alongside_do_not_take_the_box(engine, sequences, name):
    images, truth = part(sequences[name], 50)
    frames = follow(engine, images, Box(*truth[0].tolist()))
    assert LOST not in states(frames)
    assert min(overlaps(frames, truth)) > 0.35


# --- the benchmark


def test_lost_frames_are_counted_against_those_without_overlap():
    count = lost.Count()
    uncertain = TrackState.UNCERTAIN
    count.add([TRACKING, uncertain, LOST, LOST, TRACKING], np.array([0.9, 0, 0, 0.2, 0.6]))
    count.add([TRACKING, LOST, LOST, TRACKING], np.array([0.0, 0, 0, 0.3]))
    assert count.row("all") == "| all | 2 | 9 | 5 | 4 | 0.75 | 0.60 | 0.25 | 1 of 2 |"


def test_an_erased_target_leaves_what_is_around_it():
    image = scene()
    with_target = scene((TARGET, LOOK))
    erased = hard_cases.erase(with_target, TARGET)
    assert np.abs(erased.astype(int) - image).mean() < 0.5
    assert np.abs(with_target.astype(int) - image).mean() > 2
    assert np.array_equal(erased[:80], with_target[:80])


def test_a_scan_sees_all_in_as_many_frames_as_coarse_regions_at_most(engine):
    # Coarse regions have 10 times the target's sides, so that they are at most 360 pixels apart.
    all_seen, round_frames = lost.frames_to_scan(engine, Box(296, 216, 48, 48), 640, 480)
    assert all_seen == 2 * 2 - 1  # two in the first frame, when there is nothing to look at finely
    assert all_seen <= round_frames <= all_seen + 4


def test_settings_of_the_command_are_named_when_wrong():
    assert lost.parse_setting("lost_frames=4") == ("lost_frames", 4)
    with pytest.raises(lost.argparse.ArgumentTypeError, match=r"'lost=4'.*lost_score"):
        lost.parse_setting("lost=4")
