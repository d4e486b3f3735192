"""Targets that are behind the live image, one and many, without a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from pictures import BOX, OTHER
from session_world import SETTINGS, TRACKING, World, box_in, followed_from, stamp_of

from autrack_ros.tracking import (
    Target,
    TrackingEngine,
    TrackResult,
    iou,
)

# Catching up.


def test_catching_up_gives_what_following_every_image_gives(world: World) -> None:
    world.see_until(10)
    world.ask("patch", box_in(0), stamp_of(0))
    world.use_spare_time()
    assert world.converted == list(range(11))
    assert world.see()["patch"].box == followed_from(world.engine, 0, 11)


def test_catching_up_is_faster_than_the_images_while_live_targets_are_followed_in_each(
    world: World,
) -> None:
    world.see_until(3)
    world.start("still", OTHER)
    world.see_until(10)
    world.ask("patch", box_in(0), stamp_of(0))
    for _ in range(11):
        tracked = world.see()
        assert iou(tracked["still"].box, OTHER) > 0.7
        assert tracked["still"].state is TRACKING
        if tracked["patch"].state is not None:
            break
        assert (tracked["patch"].box, tracked["patch"].score) == (None, 0)
        for _ in range(2):  # as the pipeline does, however little time it has
            world.session.catch_up()
    assert world.newest == 21  # one image comes while two are followed
    assert iou(tracked["patch"].box, box_in(21)) > 0.7
    assert tracked["patch"].box == pytest.approx(followed_from(world.engine, 0, 21), abs=0.01)


def test_catching_up_takes_as_many_images_as_the_live_targets_do(world: World) -> None:
    """Where the machine follows every third image, all of them would never be caught up with."""
    for _ in range(4):
        world.see_third()
    world.ask("patch", box_in(0), stamp_of(0))
    for _ in range(9):
        tracked = world.see_third()
        if tracked["patch"].state is not None:
            break
        for _ in range(2):
            world.session.catch_up()
    assert iou(tracked["patch"].box, box_in(world.newest)) > 0.6
    assert world.converted[0] == 0
    assert set(np.diff(world.converted)) == {3}, world.converted


def test_catching_up_ends_at_the_live_image_though_newer_ones_are_kept(world: World) -> None:
    world.see_until(3)
    world.keep()
    world.ask("patch", box_in(0), stamp_of(0))
    world.use_spare_time()
    assert world.converted == [0, 1, 2, 3]


def test_a_target_that_catches_up_has_a_trail_from_its_own_image_on(world: World) -> None:
    world.see_until(5)
    world.ask("patch", box_in(0), stamp_of(0))
    world.use_spare_time()
    trail = world.see()["patch"].trail.points
    assert len(trail) == 7
    assert trail[0] == box_in(0).center


def test_a_damaged_image_is_left_out_while_catching_up(world: World) -> None:
    world.see()
    world.keep(damaged=True)
    world.see_until(4)
    world.ask("patch", box_in(0), stamp_of(0))
    world.use_spare_time()
    assert iou(world.see()["patch"].box, box_in(5)) > 0.7


def test_images_that_are_no_longer_kept_are_left_out_while_catching_up(world: World) -> None:
    world.see_until(6)
    world.ask("patch", box_in(0), stamp_of(0))
    world.session.catch_up()
    world.images.clear()
    world.use_spare_time()
    assert world.see()["patch"].state is not None


def batches_of(engine: TrackingEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches from here on."""
    batches: list[int] = []
    follow = engine.follow

    def counted(image: np.ndarray, targets: Sequence[Target]) -> list[tuple[Target, TrackResult]]:
        if targets:
            batches.append(len(targets))
        return follow(image, targets)

    monkeypatch.setattr(engine, "follow", counted)
    return batches


def test_targets_behind_are_followed_in_one_batch_from_where_they_meet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.see_until(6)
    world.ask("a", box_in(1), stamp_of(1))
    world.ask("b", OTHER, stamp_of(1))
    world.ask("c", box_in(3), stamp_of(3))
    batches = batches_of(world.engine, monkeypatch)
    world.use_spare_time()
    assert batches == [2, 2, 3, 3, 3]  # images 2 to 6
    assert set(world.see()) == {"a", "b", "c"}
    assert batches[5:] == [3]


def test_a_target_is_removed_while_it_catches_up(world: World) -> None:
    world.see_until(6)
    world.ask("gone", box_in(0), stamp_of(0))
    world.ask("patch", box_in(1), stamp_of(1))
    world.session.catch_up()
    assert world.session.remove("gone", "removed")
    world.use_spare_time()
    tracked = world.see()
    assert list(tracked) == ["patch"]
    assert tracked["patch"].box == followed_from(world.engine, 1, 7)
    assert ("ended", "gone", "removed") in world.events


# Many targets.


def test_every_new_id_is_a_target_up_to_max_targets(engine: TrackingEngine) -> None:
    world = World(engine, replace(SETTINGS, max_targets=2))
    world.start("a", box_in(0))
    world.ask("b", OTHER)
    world.ask("c", OTHER)
    refusal = "target 'c': max_targets 2 reached: remove one; followed are 'a'"
    assert world.refusals() == [refusal]
    assert world.answers[2] == [refusal]
    world.ask("b", OTHER)  # those that are there are not counted twice
    world.ask("a", box_in(1))
    tracked = world.see()
    assert list(tracked) == ["a", "b"]
    assert tracked["a"].box == box_in(1)
    assert world.refusals() == [refusal, "target 'b': replaced by a newer box"]
    world.session.remove("a", "removed")
    assert world.start("c", box_in(2)).box == box_in(2)
    assert world.session.ids == ("b", "c")


def test_the_same_id_initialises_again(world: World) -> None:
    world.start("patch", OTHER)
    (first,) = world.jobs
    world.see_until(2)
    target = world.start("patch", box_in(3))
    assert (target.box, target.score, target.adapting) == (box_in(3), 1, True)
    assert target.trail.points == (box_in(3).center,)
    assert first.cancelled
    assert world.answers[0] == ["target 'patch': replaced by a newer box"]
    tracked = world.see()
    assert list(tracked) == ["patch"]
    assert tracked["patch"].box == followed_from(world.engine, 3, 4)


def test_the_same_id_initialises_again_on_a_past_image(world: World) -> None:
    world.start("patch", OTHER)
    world.see_until(6)
    world.ask("patch", box_in(2), stamp_of(2))
    world.session.catch_up()
    target = world.see()["patch"]
    assert (target.state, target.box) == (None, None)
    world.use_spare_time()
    assert world.see()["patch"].box == followed_from(world.engine, 2, 8)


def test_dropping_one_target_never_disturbs_another(engine: TrackingEngine) -> None:
    both, alone = World(engine), World(engine)
    for world in (both, alone):
        world.ask("patch", box_in(0))
    both.ask("dropped", OTHER)
    assert both.see()["patch"].box == alone.see()["patch"].box
    for number in range(1, 8):
        if number == 4:
            both.session.remove("dropped", "removed")
            assert both.session.ids == ("patch",)
        shown, expected = both.see()["patch"], alone.see()["patch"]
        assert shown.box == expected.box
        assert shown.score == expected.score
    assert both.events == [
        ("started", "patch", stamp_of(0)),
        ("started", "dropped", stamp_of(0)),
        ("ended", "dropped", "removed"),
    ]


def test_removing_what_is_not_there_says_so(world: World) -> None:
    world.start("patch", BOX)
    assert not world.session.remove("other", "removed")
    world.ask("waiting", OTHER)
    assert world.session.remove("waiting", "removed")
    assert world.answers[1] == ["target 'waiting': removed"]
    assert list(world.see()) == ["patch"]


def test_a_reset_ends_all_targets_and_all_that_wait(world: World) -> None:
    world.start("patch", BOX)
    world.ask("waiting", OTHER)
    world.session.remove_all("reset")
    assert world.session.idle
    assert world.jobs[0].cancelled
    assert world.answers == [["target 'patch': reset"], ["target 'waiting': reset"]]
    assert world.see() == {}


def test_after_a_break_in_the_images_only_what_waits_is_left(world: World) -> None:
    world.start("patch", BOX)
    world.ask("waiting", OTHER)
    world.session.forget_images("time jumped back")
    assert world.events[-1] == ("ended", "patch", "time jumped back")
    assert set(world.see()) == {"waiting"}


def test_after_a_jump_back_a_box_waits_for_its_image_again(world: World) -> None:
    world.see_until(5)
    world.session.forget_images("time jumped back")
    world.images.clear()
    world.newest = -1
    world.keep()
    world.ask("patch", box_in(1), stamp_of(1))
    world.use_spare_time()
    world.see()
    assert world.started_in() == {"patch": stamp_of(1)}


def test_an_image_passed_by_is_the_newest_one(world: World) -> None:
    for _ in range(3):
        world.session.pass_by(world.keep())
    world.ask("patch", box_in(1), stamp_of(1))
    world.use_spare_time()
    assert world.see()["patch"].box == followed_from(world.engine, 1, 3)
