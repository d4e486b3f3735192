"""The targets of a node, without a node: the test is camera, adaptation and spare time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from pictures import BOX, HEIGHT, OTHER, WIDTH, moved, picture
from std_msgs.msg import Header

from autrack_ros.node.background_adaptation import AdaptationJob, Adapted
from autrack_ros.node.image_buffer import ImageBuffer, stamp_ns
from autrack_ros.node.parameters import Settings
from autrack_ros.node.request import MAX_ID_BYTES, Request
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.node.target_session import TargetSession
from autrack_ros.node.trackers import our_tracker
from autrack_ros.tracking import (
    AdaptationSettings,
    Box,
    Follower,
    InvalidImageError,
    PresenceSettings,
    Target,
    TrackingEngine,
    TrackResult,
    TrackState,
    iou,
    load_engine,
)

PERIOD_NS = 40_000_000
SECOND_NS = 1_000_000_000
SETTINGS = Settings(
    adaptation=AdaptationSettings(steps=1, support_crops=1),
    presence=PresenceSettings(found_score=0.5),  # noise is no natural picture
    max_targets=8,
    selected_target="",
    tolerance_ns=PERIOD_NS,
    marker_depth=1.0,
    depth_tolerance_ns=0,
    prediction_ns=0,
    class_id="",
    take_all=False,
)
DISABLED = AdaptationSettings(method="none")
TRACKING, LOST = TrackState.TRACKING, TrackState.LOST


def stamp_of(number: int) -> int:
    return (100 + number) * PERIOD_NS


def box_in(number: int) -> Box:
    """Where the moving patch is in an image."""
    return moved(BOX, 2 * number)


@lru_cache
def pixels(number: int, patches: int = 2) -> np.ndarray:
    return picture(2 * number, patches=patches)


def to_bgr(message: Any) -> np.ndarray:
    if message.damaged:
        raise InvalidImageError("damaged")
    return pixels(message.number, message.patches)


class World:
    """A session with its surroundings.

    Attributes:
        events: what the session told, in order.
        answers: to the requests, by the number of the request.
        jobs: adaptations it asked for.
        converted: numbers of the images it converted, besides the live ones.
    """

    def __init__(self, engine: TrackingEngine, settings: Settings = SETTINGS) -> None:
        self.engine = engine
        self.images: ImageBuffer[Any] = ImageBuffer(10, 10**9)
        self.events: list[tuple[Any, ...]] = []
        self.answers: list[list[Adapted | str]] = []
        self.jobs: list[AdaptationJob] = []
        self.converted: list[int] = []
        self.newest = -1
        self.session = TargetSession(
            our_tracker(engine), self.images, self._convert, self.jobs.append, self, settings
        )

    def _convert(self, message: Any) -> np.ndarray:
        self.converted.append(message.number)
        return to_bgr(message)

    def started(self, target_id: str, header: Header) -> None:
        self.events.append(("started", target_id, stamp_ns(SimpleNamespace(header=header))))

    def refused(self, target_id: str, reason: str) -> None:
        self.events.append(("refused", target_id, reason))

    def ended(self, target_id: str, reason: str) -> None:
        self.events.append(("ended", target_id, reason))

    def adapted(self, done: Adapted) -> None:
        self.events.append(("adapted", done.job.id, done.report.stop_reason))

    def keep(self, patches: int = 2, damaged: bool = False) -> Any:
        """The next image comes, and is only kept."""
        self.newest += 1
        header = Header()
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_of(self.newest), SECOND_NS)
        message = SimpleNamespace(
            header=header, data=b"", number=self.newest, patches=patches, damaged=damaged
        )
        self.images.add(message)
        return message

    def see(self, patches: int = 2) -> dict[str, TrackedTarget]:
        """The next image comes and is taken all the way."""
        message = self.keep(patches)
        return {target.id: target for target in self.session.follow(message, to_bgr(message))}

    def see_third(self) -> dict[str, TrackedTarget]:
        """Two images are left out, and the next is taken all the way."""
        self.keep()
        self.keep()
        return self.see()

    def see_until(self, number: int) -> dict[str, TrackedTarget]:
        while self.newest < number:
            tracked = self.see()
        return tracked

    def ask(
        self, target_id: str, box: Box, stamp: int = 0, patient: bool = True, offer: bool = False
    ) -> None:
        answers: list[Adapted | str] = []
        self.answers.append(answers)
        request = Request(target_id, box, stamp, answers.append, patient)
        (self.session.offer if offer else self.session.request)(request)

    def start(self, target_id: str, box: Box) -> TrackedTarget:
        """In the next image."""
        self.ask(target_id, box)
        return self.see()[target_id]

    def finish(self, job: AdaptationJob) -> Target:
        """Do an adaptation that was asked for."""
        target, report = self.engine.adapt(job.image, job.target, job.settings)
        self.session.finish(Adapted(job, target, report))
        return target

    def use_spare_time(self) -> None:
        while self.session.catch_up():
            pass

    def started_in(self) -> dict[str, int]:
        """Stamp of the image that each target was started in last."""
        return {event[1]: event[2] for event in self.events if event[0] == "started"}

    def refusals(self) -> list[str]:
        return [event[2] for event in self.events if event[0] == "refused"]


@pytest.fixture(scope="module")
def engine() -> TrackingEngine:
    return load_engine(device="cpu")


@pytest.fixture
def world(engine: TrackingEngine) -> World:
    return World(engine)


def followed_from(engine: TrackingEngine, first: int, last: int) -> Box:
    """Where a target is that was followed in every image, from its own on."""
    follower = Follower(engine)
    follower.put("alone", engine.start(pixels(first), box_in(first)))
    for number in range(first + 1, last + 1):
        frame = follower.follow(pixels(number))["alone"]
    return frame.box


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


def lose(world: World) -> TrackedTarget:
    """Let the patches be out of sight."""
    for _ in range(2 * SETTINGS.presence.lost_frames):
        target = world.see(patches=1)["patch"]
        if target.state is LOST:
            break
    assert (target.state, target.box) == (LOST, None)
    return target


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


# Adaptation beside the tracking.


def test_the_adapted_template_replaces_the_other_and_no_frame_is_lost(world: World) -> None:
    world.start("patch", box_in(0))
    expected = Follower(world.engine)
    expected.put("patch", world.engine.start(pixels(0), box_in(0)))
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
    expected.put("patch", world.engine.start(pixels(0), box_in(0)))
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
    adapted = world.finish(world.jobs[0])
    for _ in range(40):
        target = world.see()["patch"]
        if target.state is TRACKING:
            break
    expected = world.engine.start(pixels(0), box_in(0))
    expected = replace(
        expected, adapted_template=adapted.adapted_template, features=adapted.features
    )
    assert iou(target.box, box_in(world.newest)) > 0.7
    ((_, result),) = world.engine.follow(
        pixels(world.newest),
        [replace(expected, center=box_in(world.newest).pixel_center)],
    )
    assert target.score == pytest.approx(result.score, abs=0.05)


def test_a_new_box_or_a_reset_cancels_a_running_adaptation(world: World) -> None:
    world.start("patch", box_in(0))
    world.start("other", OTHER)
    world.ask("patch", box_in(2))
    assert not world.jobs[0].cancelled  # the new box may be refused
    world.see()
    assert [job.cancelled for job in world.jobs] == [True, False, False]
    world.session.remove_all("reset")
    assert [job.cancelled for job in world.jobs] == [True, True, True]


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
