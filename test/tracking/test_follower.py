"""The follower with the default engine, on made pictures."""

import numpy as np
import pytest
from scenes import TARGET, moved, scene

from autrack_ros.tracking import AdaptationSettings, Box, InvalidImageError, iou, load_engine
from autrack_ros.tracking.follower import Follower
from autrack_ros.tracking.presence import PresenceSettings, TrackState

OTHER = Box(30, 160, 60, 44)


@pytest.fixture(scope="module")
def engine():
    return load_engine(device="cpu")


def test_targets_do_not_disturb_each_other(engine):
    both, alone = Follower(engine), Follower(engine)
    first = scene((TARGET, 4), (OTHER, 8))
    for name, box in (("a", TARGET), ("b", OTHER)):
        both.put(name, engine.start(first, box))
    alone.put("b", engine.start(first, OTHER))
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
    follower.put("a", engine.start(scene((TARGET, 4)), TARGET))
    states = []
    for _ in range(6):
        frame = follower.follow(scene())["a"]
        states.append(frame.state)
        assert (frame.box is None) == (frame.state is TrackState.LOST)
    assert states[settings.lost_frames - 1 :] == [TrackState.LOST] * (7 - settings.lost_frames)
    back = Box(10, 10, 48, 40)  # outside the search region around the last place
    for _ in range(40):
        frame = follower.follow(scene((back, 4)))["a"]
        if frame.state is not TrackState.LOST:
            break
    assert frame.state is TrackState.TRACKING
    assert iou(frame.box, back) > 0.5


def test_lost_targets_take_turns_so_that_each_more_costs_one_region(engine, monkeypatch):
    follower = Follower(engine, PresenceSettings(lost_score=0.45), lost_places=2)
    first = scene((TARGET, 4), (OTHER, 8))
    for name, box in (("a", TARGET), ("b", OTHER)):
        follower.put(name, engine.start(first, box))
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


def test_a_target_is_not_taken_back_on_one_frame(engine):
    follower = Follower(engine, PresenceSettings(lost_score=0.45, found_frames=3))
    follower.put("a", engine.start(scene((TARGET, 4)), TARGET))
    for _ in range(5):
        follower.follow(scene())
    for _ in range(3):  # seen for two frames, gone for one
        for shown in (True, True, False):
            frame = follower.follow(scene(*[(TARGET, 4)] * shown))["a"]
            assert frame.state is TrackState.LOST
    states = [follower.follow(scene((TARGET, 4)))["a"].state for _ in range(3)]
    assert states == [TrackState.LOST, TrackState.LOST, TrackState.TRACKING]


def test_an_adapted_template_goes_to_where_the_target_is_meanwhile(engine):
    follower = Follower(engine)
    image = scene((TARGET, 4))
    started = engine.start(image, TARGET)
    follower.put("a", started)
    follower.follow(scene((moved(TARGET, 5), 4)))
    place = follower["a"].box
    adapted, _ = engine.adapt(image, started, AdaptationSettings(steps=1, support_crops=1))
    follower.retouch("a", adapted)
    assert follower["a"].box == place
    assert np.array_equal(follower["a"].adapted_template, adapted.adapted_template)


def test_a_name_that_is_put_again_is_another_target(engine):
    follower = Follower(engine)
    image = scene((TARGET, 4), (OTHER, 8))
    follower.put("a", engine.start(image, TARGET))
    follower.put("a", engine.start(image, OTHER))
    assert follower.names == ("a",)
    assert iou(follower.follow(image)["a"].box, OTHER) > 0.5


def test_an_image_of_another_size_changes_nothing(engine):
    follower = Follower(engine)
    follower.put("a", engine.start(scene((TARGET, 4)), TARGET))
    before = follower["a"]
    with pytest.raises(InvalidImageError, match="100x50"):
        follower.follow(np.zeros((50, 100, 3), np.uint8))
    assert follower["a"] is before
    assert Follower(engine).follow(scene()) == {}
