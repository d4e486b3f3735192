"""Templates are adapted while their targets are followed; without a node."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from pictures import BOX, OTHER
from session_world import (
    DISABLED,
    SETTINGS,
    TRACKING,
    World,
    box_in,
    followed_from,
    lose,
    pixels,
    stamp_of,
)

from autrack_ros.node.background_adaptation import Adapted
from autrack_ros.tracking import (
    Follower,
    TrackingEngine,
    iou,
)


def test_the_adapted_template_replaces_the_other_and_no_frame_is_lost(world: World) -> None:
    world.start("patch", box_in(0))
    expected = Follower(world.engine)
    expected.put("patch", world.engine.start(pixels(0), box_in(0)), pixels(0))
    for number in (1, 2, 3):
        target = world.see()["patch"]
        assert target.adapting
        assert target.adaptation_ms == 0
        assert target.box == expected.follow(pixels(number))["patch"].box
    adapted = world.finish(world.jobs[0])
    assert world.events[-1] == ("adapted", "patch", "completed")
    expected.retouch("patch", adapted)
    target = world.see()["patch"]
    assert not target.adapting
    assert target.adaptation_ms > 0
    assert target.box == expected.follow(pixels(4))["patch"].box
    assert target.box != followed_from(world.engine, 0, 4)  # with the template as it was cut
    ((done,),) = world.answers
    assert isinstance(done, Adapted)
    assert done.report.steps == 1


def test_the_adapted_template_replaces_the_other_while_catching_up(world: World) -> None:
    world.see_until(6)
    world.ask("patch", box_in(0), stamp_of(0))
    world.session.catch_up()
    adapted = world.finish(world.jobs[0])
    world.use_spare_time()
    expected = Follower(world.engine)
    expected.put("patch", world.engine.start(pixels(0), box_in(0)), pixels(0))
    expected.follow(pixels(1))
    expected.retouch("patch", adapted)
    for number in range(2, 8):
        frame = expected.follow(pixels(number))["patch"]
    target = world.see()["patch"]
    assert target.box == frame.box
    assert not target.adapting


def test_the_adapted_template_finds_a_target_that_was_lost_meanwhile(world: World) -> None:
    world.start("patch", box_in(0))
    lose(world)
    expected = Follower(world.engine, SETTINGS.presence)
    expected.put("patch", world.engine.start(pixels(0), box_in(0)), pixels(0))
    for number in range(1, world.newest + 1):
        assert expected.follow(pixels(number, 1))["patch"].box is None or number < world.newest
    expected.retouch("patch", world.finish(world.jobs[0]))
    for _ in range(40):
        target = world.see()["patch"]
        frame = expected.follow(pixels(world.newest))["patch"]
        assert target.box == frame.box
        if target.state is TRACKING:
            break
    assert iou(target.box, box_in(world.newest)) > 0.7
    assert target.score == pytest.approx(frame.score)


def test_a_new_box_or_a_reset_cancels_a_running_adaptation(world: World) -> None:
    world.start("patch", box_in(0))
    world.start("other", OTHER)
    world.ask("patch", box_in(2))
    assert not world.jobs[0].cancelled  # the new box may be refused
    world.see()
    assert [job.cancelled for job in world.jobs] == [True, False, False]
    world.session.remove_all("reset")
    assert [job.cancelled for job in world.jobs] == [True, True, True]


def test_a_box_beside_which_nothing_can_be_learnt_is_refused_and_the_target_followed_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("the GPU is full")

    world.start("patch", box_in(0))
    with monkeypatch.context() as broken:
        broken.setattr(world.engine, "discriminant", full)
        world.ask("patch", OTHER)
        target = world.see()["patch"]
    (refusal,) = world.refusals()
    assert refusal == "target 'patch': RuntimeError: the GPU is full; followed are 'patch'"
    assert not world.jobs[0].cancelled
    assert iou(target.box, box_in(world.newest)) > 0.7


def test_the_end_of_a_cancelled_adaptation_changes_nothing(world: World) -> None:
    world.start("patch", OTHER)
    world.start("patch", box_in(1))
    world.finish(world.jobs[0])
    assert world.events[-1] == ("adapted", "patch", "completed")
    target = world.see()["patch"]
    assert target.adapting
    assert target.adaptation_ms == 0
    assert target.box == followed_from(world.engine, 1, 2)
    assert world.answers == [["target 'patch': replaced by a newer box"], []]
    world.session.remove("patch", "removed")
    world.finish(world.jobs[1])
    assert world.session.idle
    assert world.answers[1] == ["target 'patch': removed"]


def test_without_adaptation_a_target_is_ready_at_once(engine: TrackingEngine) -> None:
    world = World(engine, replace(SETTINGS, adaptation=DISABLED))
    assert not world.start("patch", BOX).adapting
    assert world.jobs == []
    assert world.events[1:] == [("adapted", "patch", "disabled")]
    ((done,),) = world.answers
    assert isinstance(done, Adapted)
