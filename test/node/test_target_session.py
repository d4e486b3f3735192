"""The targets of a node, without a node: their boxes, settings and names."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from pictures import BOX, HEIGHT, OTHER, WIDTH, moved
from session_world import (
    SECOND_NS,
    SETTINGS,
    TRACKING,
    World,
    box_in,
    lose,
    pixels,
    stamp_of,
    to_bgr,
)

from autrack_ros.node.request import MAX_ID_BYTES
from autrack_ros.tracking import (
    Box,
    PresenceSettings,
    Target,
    TrackingEngine,
    TrackState,
    iou,
)

# The image of a box.


def test_a_zero_stamp_means_the_next_image(world: World) -> None:
    world.see_until(3)
    world.ask("patch", box_in(4))
    world.use_spare_time()
    assert world.events == []
    target = world.see()["patch"]
    assert world.started_in() == {"patch": stamp_of(4)}
    assert (target.state, target.box, target.score, target.result) == (TRACKING, box_in(4), 1, None)
    assert target.adapting
    assert iou(world.see()["patch"].box, box_in(5)) > 0.7


@pytest.mark.parametrize("number", [0, 2, 5])
def test_a_stamped_box_is_started_on_the_image_of_exactly_that_stamp(
    world: World, number: int
) -> None:
    world.see_until(5)
    world.ask("patch", box_in(number), stamp_of(number))
    world.use_spare_time()
    assert world.started_in() == {"patch": stamp_of(number)}
    (job,) = world.jobs
    assert np.array_equal(job.image, pixels(number))
    assert np.array_equal(
        job.target.template, world.engine.start(pixels(number), box_in(number)).template
    )


@pytest.mark.parametrize(("offset_ms", "number"), [(-5, 3), (5, 3), (-19, 3), (19, 3), (21, 4)])
def test_a_stamped_box_is_started_on_the_nearest_image_within_the_tolerance(
    world: World, offset_ms: int, number: int
) -> None:
    world.see_until(6)
    world.ask("patch", box_in(3), stamp_of(3) + offset_ms * 1_000_000)
    world.use_spare_time()
    assert world.started_in() == {"patch": stamp_of(number)}


def test_a_stamp_without_an_image_is_refused_with_what_the_buffer_says(
    engine: TrackingEngine,
) -> None:
    world = World(engine, replace(SETTINGS, tolerance_ns=1_000_000))
    world.see_until(2)
    world.start("kept", box_in(3))
    for asked in (stamp_of(0) - SECOND_NS, stamp_of(2) - 2_000_000):
        world.ask("patch", BOX, asked)
        world.use_spare_time()
        reason = f"target 'patch': {world.images.refusal(asked, 1_000_000)}; followed are 'kept'"
        assert world.refusals()[-1] == reason
        assert world.answers[-1] == [reason]
    assert list(world.see()) == ["kept"]


def test_a_stamp_slightly_ahead_waits_for_its_image(world: World) -> None:
    world.see_until(5)
    world.ask("patch", box_in(8), stamp_of(8))
    world.use_spare_time()
    assert world.see() == {}
    world.use_spare_time()
    assert world.see() == {}
    assert world.events == []
    assert world.see()["patch"].box == box_in(8)
    assert world.started_in() == {"patch": stamp_of(8)}


@pytest.mark.parametrize(("offset_ms", "number"), [(1, 5), (19, 5), (21, 6), (39, 6)])
def test_a_stamp_between_the_newest_image_and_the_next_waits_for_the_nearer_one(
    world: World, offset_ms: int, number: int
) -> None:
    world.see_until(5)
    world.ask("patch", box_in(5), stamp_of(5) + offset_ms * 1_000_000)
    world.use_spare_time()
    assert world.events == []
    world.see()
    assert world.started_in() == {"patch": stamp_of(number)}


def test_a_box_on_an_image_that_is_kept_but_not_yet_live_is_not_followed_in_it_twice(
    world: World,
) -> None:
    world.see_until(2)
    message = world.keep()
    world.ask("patch", box_in(3), stamp_of(3))
    world.use_spare_time()
    (target,) = world.session.follow(message, to_bgr(message))
    assert (target.box, target.score) == (box_in(3), 1)


@pytest.mark.parametrize(("ahead_ns", "waits"), [(SECOND_NS, True), (SECOND_NS + 1, False)])
def test_a_stamp_over_a_second_ahead_is_refused(world: World, ahead_ns: int, waits: bool) -> None:
    world.see_until(1)
    world.ask("patch", BOX, stamp_of(1) + ahead_ns)
    world.use_spare_time()
    assert (world.refusals() == []) == waits
    assert world.session.idle != waits


def test_a_box_before_the_first_image_waits_for_it(world: World) -> None:
    world.ask("now", OTHER)
    world.ask("patch", BOX, stamp_of(0))
    world.use_spare_time()
    assert set(world.see()) == {"now", "patch"}


@pytest.mark.parametrize("box", [Box(math.nan, 0, 9, 9), Box(WIDTH, 0, 9, 9), Box(0, HEIGHT, 9, 9)])
def test_a_bad_box_is_refused_and_the_target_of_its_id_is_kept(world: World, box: Box) -> None:
    world.start("patch", box_in(0))
    (job,) = world.jobs
    world.ask("patch", box)
    assert iou(world.see()["patch"].box, box_in(1)) > 0.7
    (reason,) = world.refusals()
    assert reason.startswith("target 'patch': box x=")
    assert reason.endswith("; followed are 'patch'")
    assert world.answers[1] == [reason]
    assert not job.cancelled
    assert world.answers[0] == []


def test_what_fails_at_the_start_refuses_the_box_and_names_the_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(image: np.ndarray, box: Box) -> Target:
        raise MemoryError("full")

    monkeypatch.setattr(world.engine, "start", start)
    world.ask("patch", BOX)
    assert world.see() == {}
    assert world.refusals() == ["target 'patch': MemoryError: full; followed are none"]


def test_a_damaged_image_refuses_the_box_drawn_on_it(world: World) -> None:
    world.see()
    world.keep(damaged=True)
    world.see()
    world.ask("patch", BOX, stamp_of(1))
    world.use_spare_time()
    assert world.refusals() == ["target 'patch': damaged; followed are none"]


def test_a_request_is_replaced_while_it_waits(world: World) -> None:
    world.ask("patch", OTHER)
    world.ask("patch", BOX)
    assert world.answers == [["target 'patch': replaced by a newer box"], []]
    assert world.refusals() == ["target 'patch': replaced by a newer box"]
    assert world.see()["patch"].box == BOX
    assert len(world.jobs) == 1


def test_only_the_impatient_are_refused_when_images_fail_to_come(world: World) -> None:
    world.ask("patient", BOX)
    world.ask("hurried", OTHER, patient=False)
    world.session.refuse_impatient("no image")
    reason = "target 'hurried': no image; followed are none"
    assert world.answers == [[], [reason]]
    assert world.refusals() == [reason]
    assert set(world.see()) == {"patient"}


# Boxes that come unasked.


@pytest.mark.parametrize(
    ("target_id", "box", "max_targets", "taken"),
    [
        ("new", OTHER, 8, True),
        ("new", OTHER, 1, False),  # no room
        ("patch", OTHER, 8, False),  # followed by id
        ("new", moved(BOX, 4), 8, False),  # followed by place
    ],
)
def test_an_offer_is_taken_where_nothing_is_followed(
    engine: TrackingEngine, target_id: str, box: Box, max_targets: int, taken: bool
) -> None:
    world = World(engine, replace(SETTINGS, max_targets=max_targets))
    world.start("patch", BOX)
    world.ask(target_id, box, offer=True)
    world.see()
    assert [event for event in world.events if event[0] == "refused"] == []
    assert len(world.jobs) == 1 + taken


def test_an_offer_is_taken_for_a_lost_target_by_its_id_and_at_its_place(world: World) -> None:
    world.start("patch", box_in(0))
    lost = lose(world)
    world.ask("other", lost.last_box, offer=True)
    world.ask("patch", box_in(4), offer=True)
    tracked = world.see()
    assert set(tracked) == {"patch", "other"}
    assert (tracked["patch"].box, tracked["patch"].score) == (box_in(4), 1)


@pytest.mark.parametrize(("target_id", "box"), [("patch", OTHER), ("new", moved(BOX, 4))])
def test_an_offer_leaves_alone_what_waits_for_its_image(
    world: World, target_id: str, box: Box
) -> None:
    world.ask("patch", BOX)
    world.ask(target_id, box, offer=True)
    assert world.answers == [[], []]
    tracked = world.see()
    assert {name: target.box for name, target in tracked.items()} == {"patch": BOX}


# Settings.


def test_settings_are_in_force_from_the_next_image_on_for_targets_behind_too(world: World) -> None:
    strict = PresenceSettings(tracking_score=1.0, found_score=1.0)
    world.start("live", OTHER)
    world.see_until(4)
    world.ask("behind", box_in(0), stamp_of(0))
    world.session.catch_up()
    world.session.settings = replace(SETTINGS, presence=strict)
    world.use_spare_time()
    tracked = world.see()
    assert {name: target.state for name, target in tracked.items()} == {
        "live": TrackState.UNCERTAIN,
        "behind": TrackState.UNCERTAIN,
    }
    assert len(tracked["behind"].trail.points) > 2


def test_the_tolerance_is_that_of_the_settings(world: World) -> None:
    world.session.settings = replace(SETTINGS, tolerance_ns=0)
    world.see_until(4)
    world.ask("patch", BOX, stamp_of(2) + 1)
    world.use_spare_time()
    assert len(world.refusals()) == 1


# Names.


@pytest.mark.parametrize("size", [0, MAX_ID_BYTES + 1, 1_000_000])
@pytest.mark.parametrize("offer", [False, True])
def test_an_empty_or_endless_id_is_refused_and_not_repeated_in_full(
    world: World, size: int, offer: bool
) -> None:
    world.start("kept", BOX)
    world.ask("x" * size, OTHER, offer=offer)
    assert list(world.see()) == ["kept"]
    ((_, told_id, reason),) = [event for event in world.events if event[0] == "refused"]
    assert f"its id has {size} bytes, 1 to {MAX_ID_BYTES} are accepted" in reason
    assert world.answers[1] == [reason]
    assert len(told_id) < MAX_ID_BYTES
    assert len(reason) < 2 * MAX_ID_BYTES


@pytest.mark.parametrize("name", ["x", "x" * MAX_ID_BYTES, "日" * (MAX_ID_BYTES // 3)])
def test_any_other_id_is_accepted(world: World, name: str) -> None:
    assert world.start(name, BOX).id == name
