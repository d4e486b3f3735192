"""The follower with the default engine, on made pictures."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from pictures import textured_image
from scenes import TARGET, cv_blur, moved, scene

from autrack_ros.tracking import AdaptationSettings, Box, InvalidImageError, iou, load_engine
from autrack_ros.tracking.follower import Follower
from autrack_ros.tracking.presence import PresenceSettings, TrackState
from autrack_ros.tracking.recovery import OldPlace

OTHER = Box(30, 160, 60, 44)
ELSEWHERE = Box(10, 10, 48, 40)  # outside the search region around TARGET


@pytest.fixture(scope="module")
def engine():
    return load_engine(device="cpu")


def test_targets_do_not_disturb_each_other(engine):
    both, alone = Follower(engine), Follower(engine)
    first = scene((TARGET, 4), (OTHER, 8))
    for name, box in (("a", TARGET), ("b", OTHER)):
        both.put(name, engine.start(first, box), first)
    alone.put("b", engine.start(first, OTHER), first)
    for step in range(1, 4):
        image = scene((moved(TARGET, 4 * step), 4), (moved(OTHER, 0, -4 * step), 8))
        found, found_alone = both.follow(image), alone.follow(image)
        assert found["b"].box == pytest.approx(found_alone["b"].box, abs=0.05)
        assert iou(found["a"].box, moved(TARGET, 4 * step)) > 0.5
    both.drop("a")
    assert both.names == ("b",)
    assert both.follow(image)["b"].box == pytest.approx(alone.follow(image)["b"].box, abs=0.05)


def test_a_hidden_target_is_lost_without_a_box_and_found_where_it_comes_back(engine):
    settings = PresenceSettings(lost_score=0.45)  # noise is no natural picture
    follower = Follower(engine, settings)
    follower.put("a", engine.start(scene((TARGET, 4)), TARGET), scene((TARGET, 4)))
    states = []
    for _ in range(6):
        frame = follower.follow(scene())["a"]
        states.append(frame.state)
        assert (frame.box is None) == (frame.state is TrackState.LOST)
    assert states[settings.lost_frames - 1 :] == [TrackState.LOST] * (7 - settings.lost_frames)
    for _ in range(settings.search_after + 20):
        frame = follower.follow(scene((ELSEWHERE, 4)))["a"]
        if frame.state is not TrackState.LOST:
            break
    assert frame.state is TrackState.TRACKING
    assert iou(frame.box, ELSEWHERE) > 0.5


def test_lost_targets_take_turns_so_that_each_more_costs_one_region(engine, monkeypatch):
    settings = PresenceSettings(lost_score=0.45, search_after=0)
    follower = Follower(engine, settings, lost_places=2)
    first = scene((TARGET, 4), (OTHER, 8))
    for name, box in (("a", TARGET), ("b", OTHER)):
        follower.put(name, engine.start(first, box), first)
    while not all(frame.state is TrackState.LOST for frame in follower.follow(scene()).values()):
        pass
    regions, follow = [], engine.follow

    def counted(image, targets):
        regions.append([target.first_box for target in targets])
        return follow(image, targets)

    monkeypatch.setattr(engine, "follow", counted)
    for _ in range(4):
        follower.follow(scene())
    assert max(len(targets) for targets in regions) == 4  # fewer where a round of the scan ends
    full = [(boxes.count(TARGET), boxes.count(OTHER)) for boxes in regions if len(boxes) == 4]
    assert set(full) == {(3, 1), (1, 3)}


def lose(engine, settings: PresenceSettings) -> Follower:
    """A follower whose target, at TARGET, was just lost."""
    follower = Follower(engine, settings)
    follower.put("a", engine.start(scene((TARGET, 4)), TARGET), scene((TARGET, 4)))
    while follower.follow(scene())["a"].state is not TrackState.LOST:
        pass
    return follower


def test_a_target_elsewhere_is_not_taken_before_its_old_place_was_watched_for_a_while(engine):
    settings = PresenceSettings(lost_score=0.45, search_after=12)
    follower = lose(engine, settings)
    images = [scene((ELSEWHERE, 4))] * (settings.search_after + 10)
    frames = [follower.follow(image)["a"] for image in images]
    first = next(i for i, frame in enumerate(frames) if frame.state is TrackState.TRACKING)
    assert first >= settings.search_after
    assert iou(frames[first].box, ELSEWHERE) > 0.5


def test_the_old_place_wins_when_the_target_seems_to_be_there_and_elsewhere(engine):
    follower = lose(engine, PresenceSettings(lost_score=0.45, search_after=0))
    images = [scene((TARGET, 4), (ELSEWHERE, 4))] * 6
    frames = [follower.follow(image)["a"] for image in images]
    boxes = [frame.box for frame in frames if frame.box is not None]
    assert boxes
    assert min(iou(box, TARGET) for box in boxes) > 0.5


def test_a_thing_a_third_as_large_as_the_target_is_not_taken_for_it(engine):
    follower = lose(engine, PresenceSettings(lost_score=0.45, search_after=0))
    small = Box(TARGET.x + 16, TARGET.y + 13, TARGET.w / 3, TARGET.h / 3)
    for _ in range(15):
        assert follower.follow(scene((small, 4)))["a"].state is TrackState.LOST


def of_size(monkeypatch, engine, size: tuple[float, float]) -> None:
    """From now on every target seems to be where it is looked for, of this size."""
    track = engine.follow

    def follow(image, targets):
        return [
            (replace(target, size=size), replace(result, score=0.9))
            for target, result in track(image, targets)
        ]

    monkeypatch.setattr(engine, "follow", follow)
    monkeypatch.setattr(engine, "likeness", lambda image, target: 1.0)


def test_a_target_whose_box_shrank_before_it_was_lost_is_looked_for_in_its_usual_size(
    engine, monkeypatch
):
    follower = Follower(engine, PresenceSettings(lost_score=0.45))
    follower.put("a", engine.start(scene((TARGET, 4)), TARGET), scene((TARGET, 4)))
    with monkeypatch.context() as covered:
        of_size(covered, engine, (0.4 * TARGET.w, 0.4 * TARGET.h))
        for _ in range(5):
            assert follower.follow(scene((TARGET, 4)))["a"].state is TrackState.TRACKING
    for _ in range(10):
        frame = follower.follow(scene())["a"]
    assert frame.state is TrackState.LOST
    width, height = follower["a"].size
    assert width > 0.8 * TARGET.w
    assert height > 0.8 * TARGET.h


def test_a_thing_of_another_size_in_its_old_place_is_not_taken_for_a_lost_target(
    engine, monkeypatch
):
    follower = lose(engine, PresenceSettings(lost_score=0.45))
    image = scene((TARGET, 4))
    with monkeypatch.context() as another:
        of_size(another, engine, (0.4 * TARGET.w, 0.4 * TARGET.h))
        states = {follower.follow(image)["a"].state for _ in range(8)}
    assert states == {TrackState.LOST}
    assert TrackState.TRACKING in {follower.follow(image)["a"].state for _ in range(8)}


def test_a_target_goes_with_the_picture_when_the_camera_jumps(engine):
    follower = Follower(engine)
    wide = cv_blur(textured_image(240, 640, 3))
    x, y, w, h = map(round, TARGET)
    wide[y : y + h, x + 140 : x + 140 + w] = scene((TARGET, 4))[y : y + h, x : x + w]
    views = [wide[:, left : left + 320].copy() for left in (140, 140, 20, 20, 150)]
    places = [TARGET, TARGET, moved(TARGET, 120), moved(TARGET, 120), moved(TARGET, -10)]
    follower.put("a", engine.start(views[0], TARGET), views[0])
    for image, place in zip(views[1:], places[1:], strict=True):
        frame = follower.follow(image)["a"]
        assert frame.state is TrackState.TRACKING
        assert iou(frame.box, place) > 0.6


def test_a_target_that_is_seen_where_it_was_does_not_go_with_what_moves_in_front(
    engine, monkeypatch
):
    follower = Follower(engine)
    asked = mock.Mock(return_value=(120.0, 0.0))
    monkeypatch.setattr(follower._camera, "shift", asked)
    image = scene((TARGET, 4))
    follower.put("a", engine.start(image, TARGET), image)
    elsewhere = replace(follower["a"], center=ELSEWHERE.pixel_center)
    follower._followed["a"].old_place = OldPlace(elsewhere)  # else the places are not compared
    for _ in range(3):
        frame = follower.follow(image)["a"]
        assert frame.state is TrackState.TRACKING
        assert iou(frame.box, TARGET) > 0.9
    assert asked.call_count == 3


def test_for_a_target_that_is_in_sight_the_camera_is_not_asked(engine, monkeypatch):
    follower = Follower(engine)
    asked = mock.Mock(return_value=(0.0, 0.0))
    monkeypatch.setattr(follower._camera, "shift", asked)
    image = scene((TARGET, 4))
    follower.put("a", engine.start(image, TARGET), image)
    follower.follow(image)
    assert asked.call_count == 0
    # The old place of one that was found elsewhere goes with the picture, too.
    follower._followed["a"].old_place = OldPlace(follower["a"])
    follower.follow(image)
    assert asked.call_count == 1


def test_a_target_that_was_in_doubt_when_it_was_lost_is_found_as_uncertain(engine):
    follower = lose(engine, PresenceSettings(lost_score=0.45))
    follower._followed["a"].crossing.doubtful = 12
    states = [follower.follow(scene((TARGET, 4)))["a"].state for _ in range(14)]
    assert states[0] is TrackState.LOST
    assert states[5:11] == [TrackState.UNCERTAIN] * 6
    assert states[11:] == [TrackState.TRACKING] * 3


def test_the_bare_tracker_knows_no_doubt(engine):
    follower = Follower(engine)
    image = scene((TARGET, 4))
    follower.put("a", engine.start(image, TARGET), image)
    follower._followed["a"].crossing.doubtful = 12
    assert follower.follow(image)["a"].state is TrackState.UNCERTAIN
    follower.settings = PresenceSettings(lost_score=0)
    assert follower.follow(image)["a"].state is TrackState.TRACKING


def test_a_target_that_was_found_has_no_course_to_leave(engine):
    follower = lose(engine, PresenceSettings(lost_score=0.45))
    follower._followed["a"].crossing.start = ELSEWHERE.pixel_center
    states = [follower.follow(scene((TARGET, 4)))["a"].state for _ in range(4)]
    assert TrackState.TRACKING in states
    assert TrackState.UNCERTAIN not in states
    assert follower._followed["a"].crossing.start is None


def test_a_target_is_not_taken_back_on_one_frame(engine):
    follower = Follower(engine, PresenceSettings(lost_score=0.45, found_frames=3))
    follower.put("a", engine.start(scene((TARGET, 4)), TARGET), scene((TARGET, 4)))
    for _ in range(5):
        follower.follow(scene())
    for shown in (True, False) * 4:
        frame = follower.follow(scene(*[(TARGET, 4)] * shown))["a"]
        assert frame.state is TrackState.LOST
    states = [follower.follow(scene((TARGET, 4)))["a"].state for _ in range(2)]
    assert states == [TrackState.LOST, TrackState.TRACKING]


def test_a_target_elsewhere_is_not_taken_on_two_frames(engine):
    settings = PresenceSettings(lost_score=0.45, search_after=0, found_frames=3)
    follower = lose(engine, settings)
    frames = [follower.follow(scene((ELSEWHERE, 4)))["a"] for _ in range(20)]
    good = [frame.score >= settings.found_score for frame in frames]
    first = good.index(True)
    assert good[first : first + 3] == [True] * 3
    states = [frame.state for frame in frames[first : first + 3]]
    assert states == [TrackState.LOST, TrackState.LOST, TrackState.TRACKING]


def test_a_find_elsewhere_is_undone_when_the_target_is_back_at_its_old_place(engine):
    settings = PresenceSettings(lost_score=0.45, search_after=0)
    follower = lose(engine, settings)
    while follower.follow(scene((ELSEWHERE, 4)))["a"].state is TrackState.LOST:
        pass
    both = scene((ELSEWHERE, 4), (TARGET, 4))
    frames = [follower.follow(both)["a"] for _ in range(settings.found_frames)]
    assert iou(frames[0].box, ELSEWHERE) > 0.5
    assert iou(frames[-1].box, TARGET) > 0.5
    follower.follow(scene((TARGET, 4)))
    assert iou(follower["a"].box, TARGET) > 0.5


def test_an_adapted_template_goes_to_where_the_target_is_meanwhile(engine):
    follower = Follower(engine)
    image = scene((TARGET, 4))
    started = engine.start(image, TARGET)
    follower.put("a", started, image)
    follower.follow(scene((moved(TARGET, 5), 4)))
    place = follower["a"].box
    adapted, _ = engine.adapt(image, started, AdaptationSettings(steps=1, support_crops=1))
    follower.retouch("a", adapted)
    assert follower["a"].box == place
    assert np.array_equal(follower["a"].adapted_template, adapted.adapted_template)


def test_a_name_that_is_put_again_is_another_target(engine):
    follower = Follower(engine)
    image = scene((TARGET, 4), (OTHER, 8))
    follower.put("a", engine.start(image, TARGET), image)
    follower.put("a", engine.start(image, OTHER), image)
    assert follower.names == ("a",)
    assert iou(follower.follow(image)["a"].box, OTHER) > 0.5


def test_an_image_of_another_size_changes_nothing(engine):
    follower = Follower(engine)
    follower.put("a", engine.start(scene((TARGET, 4)), TARGET), scene((TARGET, 4)))
    before = follower["a"]
    with pytest.raises(InvalidImageError, match="100x50"):
        follower.follow(np.zeros((50, 100, 3), np.uint8))
    assert follower["a"] is before
    assert Follower(engine).follow(scene()) == {}
