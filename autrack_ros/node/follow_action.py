"""The action ``~/follow``: a target for as long as its goal lives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future

from autrack_ros.action import Follow
from autrack_ros.msg import Track
from autrack_ros.node import qos
from autrack_ros.node.image_buffer import stamp_ns
from autrack_ros.node.inputs.boxes import box_of
from autrack_ros.node.pipeline import Pipeline
from autrack_ros.node.problems import Problems
from autrack_ros.node.request import End, Request, shown_id
from autrack_ros.node.target_session import TargetSession

_CHECK_S = 0.1  # between looks at the timeouts


@dataclass(slots=True, eq=False)
class _Goal:
    """A goal that is being worked on; times are of ``time.monotonic``."""

    handle: ServerGoalHandle
    request: Request
    done: Future = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)
    is_followed: bool = False
    lost_since: float | None = None
    is_withdrawn: bool = False

    def overdue(self) -> tuple[End, str] | None:
        """Why the goal is to end now, by its own wish."""
        wish, now = self.handle.request, time.monotonic()
        lost_since = self.lost_since
        if (
            wish.lost_timeout > 0
            and lost_since is not None
            and now - lost_since > wish.lost_timeout
        ):
            return End.LOST, f"lost for more than {wish.lost_timeout:g} s"
        if wish.timeout > 0 and now - self.since > wish.timeout:
            return End.TIMEOUT, f"the timeout of {wish.timeout:g} s is over"
        return None


class FollowAction:
    """Serve the action: a goal starts a target, its end ends the target, feedback is the Track.

    Args:
        node: gets the server and a timer.
        problems: is told of a goal that is rejected without a pipeline.
        pipeline: the one that works now.
        why_not: why no box can be taken; empty if one can.
        settle: gives a callback what it waits for, from another thread.
    """

    def __init__(
        self,
        node: Node,
        problems: Problems,
        pipeline: Callable[[], Pipeline | None],
        why_not: Callable[[], str],
        settle: Callable[[Future, object], None],
    ) -> None:
        self._problems = problems
        self._pipeline = pipeline
        self._why_not = why_not
        self._settle = settle
        self._goals: tuple[_Goal, ...] = ()  # another one whenever it changes: threads read it
        on_goal: Any = self._on_goal  # rclpy awaits it, but does not say so
        self._server = ActionServer(
            node,
            Follow,
            "~/follow",
            self._execute,
            callback_group=ReentrantCallbackGroup(),
            goal_callback=on_goal,
            cancel_callback=self._on_cancel,
            goal_service_qos_profile=qos.SERVICE,
            result_service_qos_profile=qos.SERVICE,
            cancel_service_qos_profile=qos.SERVICE,
        )
        self._timer = node.create_timer(
            _CHECK_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._timer.cancel()  # until there is a goal

    def on_tracks(self, tracks: Sequence[Track]) -> None:
        """Give feedback; called in the worker's thread."""
        goals = self._goals
        if not goals:
            return
        by_id = {track.id: track for track in tracks}
        for goal in goals:
            track = by_id.get(goal.request.id)
            if track is None or not goal.is_followed:
                continue
            if track.state != Track.LOST:
                goal.lost_since = None
            elif goal.lost_since is None:
                goal.lost_since = time.monotonic()
            goal.handle.publish_feedback(Follow.Feedback(track=track))

    async def _on_goal(self, wish: Follow.Goal) -> GoalResponse:
        """Accept a goal whose image is there or may come."""
        reason = self._why_not()
        for name in ("lost_timeout", "timeout"):
            value = getattr(wish, name)
            if not (math.isfinite(value) and value >= 0):
                reason = f"{name} {value}: a number of at least 0 is accepted"
        pipeline = self._pipeline()
        if not reason and pipeline is not None:
            known: Future = Future()
            stamp = stamp_ns(wish.box)
            pipeline.command(lambda session: self._settle(known, session.unknown_stamp(stamp)))
            reason = str(await known)
        if not reason:
            return GoalResponse.ACCEPT
        # The action has no words for a rejection.
        name = shown_id(wish.box.id)
        told = f"target '{name}': goal of ~/follow rejected: {reason}"
        if pipeline is None:
            self._problems.error(told)
        else:
            pipeline.refused(name, told)
        return GoalResponse.REJECT

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        for goal in self._goals:
            if goal.handle is handle:
                self._withdraw(goal, End.REMOVED, "cancelled")
        return CancelResponse.ACCEPT  # one that has not begun looks itself, first of all

    async def _execute(self, handle: ServerGoalHandle) -> Follow.Result:
        pipeline = self._pipeline()
        if handle.is_cancel_requested or pipeline is None:
            end, text = End.REMOVED, "cancelled"
            if pipeline is None:
                end, text = End.NODE_DOWN, "the node was cleaned up"
        else:
            end, text = await self._follow(handle, pipeline)
        if handle.is_cancel_requested:
            handle.canceled()
        elif end is End.TIMEOUT:
            handle.succeed()
        else:
            handle.abort()
        return Follow.Result(reason=getattr(Follow.Result, end.name), text=text)

    async def _follow(self, handle: ServerGoalHandle, pipeline: Pipeline) -> tuple[End, str]:
        """Follow the target of a goal to its end."""
        box = handle.request.box
        goal = _Goal(
            handle,
            Request(
                box.id,
                box_of(box),
                stamp_ns(box),
                answer=lambda outcome: None,
                started=lambda: setattr(goal, "is_followed", True),
                ended=lambda end, text: self._settle(goal.done, (end, text)),
            ),
        )
        self._goals += (goal,)
        self._timer.reset()
        pipeline.command(lambda session: session.request(goal.request))
        try:
            ended: Any = await goal.done
            return ended
        finally:
            self._goals = tuple(each for each in self._goals if each is not goal)
            if not self._goals:
                self._timer.cancel()

    def _check(self) -> None:
        for goal in self._goals:
            overdue = goal.overdue()
            if overdue is not None:
                self._withdraw(goal, *overdue)

    def _withdraw(self, goal: _Goal, end: End, text: str) -> None:
        pipeline = self._pipeline()
        if pipeline is None or goal.is_withdrawn:
            return
        goal.is_withdrawn = True

        def withdraw(session: TargetSession) -> None:
            session.withdraw(goal.request, text, end)

        pipeline.command(withdraw)
