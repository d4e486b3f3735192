"""``python -m autrack_ros.demo.follow``: a robot that is not there follows a moving object.

The tracker node runs as a process of its own; robot, camera and follower are in this one. Time goes
on image by image, so a slow machine gives the same run as a fast one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rclpy
import typer
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Header

from autrack_ros.cli.console import write_json
from autrack_ros.demo.follow_picture import draw_run
from autrack_ros.demo.follow_step import Step
from autrack_ros.demo.follower import Follower
from autrack_ros.demo.report import DemoError
from autrack_ros.demo.robot import STEP_NS, StandInRobot
from autrack_ros.demo.world import TARGET_SIZE, Pose, View
from autrack_ros.msg import InitBox, Motion, Track
from autrack_ros.node.program import spin_until
from autrack_ros.replay.environment import prepare_environment
from autrack_ros.replay.processes import Process, stop_on_sigterm
from autrack_ros.replay.tracker import tracker_process
from autrack_ros.tracking.errors import AutrackError

DISTANCE_M = 1.5  # that the robot keeps
MAX_ERROR_M, MAX_STOP_S = 0.15, 1.0  # what the demo is to show
_HIDING_S, _HIDDEN_S = 1.2, 2.5  # of the screen: coming or going, standing
_START_M, _BEFORE_M = 2.0, 0.8  # of the object from the robot, of the screen from the object
_START_S = 120.0  # PyTorch on a cold disk
_ANSWER_S = 3.0
_ATTEMPTS = 5
_STANDS_M_S = 0.02

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a run; None where it did not come to that.

    Attributes:
        steps: images.
        mean_error_m: from the distance to be kept, while tracked.
        median_measured_error_m: of the tracker's distance, from the true one.
        lost_s: when the target was LOST, first.
        stop_s: from then on until the robot stood.
        found_s: when it was found again.
    """

    steps: int
    mean_error_m: float
    median_measured_error_m: float
    lost_s: float | None
    stop_s: float | None
    found_s: float | None

    @property
    def faults(self) -> list[str]:
        """What the demo should have shown and did not."""
        faults = []
        if not self.mean_error_m < MAX_ERROR_M:
            faults.append(f"mean distance error {self.mean_error_m:.3f} m, not under {MAX_ERROR_M}")
        if self.stop_s is None or self.stop_s > MAX_STOP_S:
            faults.append(f"the robot did not stop within {MAX_STOP_S:g} s of LOST")
        if self.found_s is None:
            faults.append("the target was not found again")
        return faults


def make_path(seconds: float, hidden_s: float) -> Callable[[float], tuple[Pose, Pose | None]]:
    """An object that drives round bends, and a screen that slides before it and away again.

    Args:
        seconds: length of the run; at its end the object stands.
        hidden_s: when the screen comes.

    Returns:
        by time in seconds, where the object and the screen are.
    """
    times = np.arange(0, seconds + 1, STEP_NS / 1e9)
    gone_s = hidden_s + 2 * _HIDING_S + _HIDDEN_S
    speeds = np.interp(
        times,
        [1.0, 2.0, hidden_s, hidden_s + 1, gone_s, gone_s + 1, seconds - 2, seconds - 1],
        [0.0, 0.35, 0.35, 0.1, 0.1, 0.35, 0.35, 0.0],
    )
    yaws = 0.7 * np.sin(0.3 * times)
    ways = np.cumsum([speeds * np.cos(yaws), speeds * np.sin(yaws)], axis=1) * STEP_NS / 1e9
    places = ways.T + np.array([_START_M, 0.0])
    watcher = _behind(places[: round(hidden_s * 1e9 / STEP_NS)])

    def path(now: float) -> tuple[Pose, Pose | None]:
        index = min(round(now / (STEP_NS / 1e9)), len(times) - 1)
        target = Pose(float(places[index, 0]), float(places[index, 1]), float(yaws[index]))
        if not hidden_s <= now < gone_s:
            return target, None
        left = np.interp(
            now, [hidden_s, hidden_s + _HIDING_S, gone_s - _HIDING_S, gone_s], [2.2, 0, 0, -2.2]
        )
        x, y = places[index] - watcher
        across = Pose(target.x, target.y, math.atan2(y, x))
        return target, across.ahead(-_BEFORE_M, float(left))

    return path


def _behind(places: np.ndarray) -> np.ndarray:
    """Where a robot is that has followed: (x, y), its distance away from the last place."""
    straight = np.column_stack([np.arange(0, _START_M, 0.05), np.zeros(round(_START_M / 0.05))])
    trail = np.concatenate([straight, places])
    away = np.linalg.norm(trail - places[-1], axis=1)
    found: np.ndarray = trail[np.flatnonzero(away >= DISTANCE_M + TARGET_SIZE[0] / 2)[-1]]
    return found


def run(robot: StandInRobot, follower: Follower, executor: Executor, seconds: float) -> list[Step]:
    """Let the robot follow; the tracker is there already.

    Raises:
        DemoError: the tracker does not answer.
    """
    _wait(executor, lambda: robot.subscribed and follower.is_ready, _START_S, "a tracker")
    view, header = robot.publish()
    box = view.box
    assert box is not None, "the target is in view at the start"
    x, y, width, height = box
    follower.start(InitBox(header=header, id="box", x=x, y=y, width=width, height=height))
    _wait(executor, lambda: follower.accepted is not None, _START_S, "an answer to the goal")
    if not follower.accepted:
        raise DemoError("the tracker rejected the goal; see its log")
    _step(robot, follower, executor)  # the image again: the tracker may have missed it
    steps = []
    for _ in range(round(seconds * 1e9 / STEP_NS)):
        robot.move()
        steps.append(_step(robot, follower, executor))
    follower.cancel()
    _wait(executor, lambda: follower.is_cancelled, _ANSWER_S, "an end of the goal by cancelling")
    return steps


def _step(robot: StandInRobot, follower: Follower, executor: Executor) -> Step:
    """Publish an image, wait for the tracker's answer and for the follower's to that."""
    for _ in range(_ATTEMPTS):
        view, header = robot.publish()

        def answered(header: Header = header) -> bool:
            track = follower.feedback.track
            is_new = track.header.stamp == header.stamp
            is_measured = track.motion.position_source == Motion.MEASURED
            return is_new and (not is_measured or robot.commanded_ns == robot.stamp_ns)

        if spin_until(executor, answered, _ANSWER_S):
            return _as_step(robot, view, follower.feedback.track)
    raise DemoError(
        f"the tracker did not answer the image of {robot.seconds:.1f} s "
        f"within {_ATTEMPTS * _ANSWER_S:g} s; see its log"
    )


def _as_step(robot: StandInRobot, view: View, track: Track) -> Step:
    return Step(
        robot.seconds, robot.pose, robot.target, robot.speed, view.distance, track, view.image
    )


def _wait(executor: Executor, condition: Callable[[], bool], limit_s: float, what: str) -> None:
    if not spin_until(executor, condition, limit_s):
        raise DemoError(f"there was not {what} within {limit_s:g} s")


def summarise(steps: list[Step]) -> Summary:
    """The numbers of a run."""
    followed = [step for step in steps if step.state != "lost" and not math.isnan(step.distance)]
    errors = [abs(step.distance - DISTANCE_M) for step in followed]
    measured = [abs(step.measured_m - step.distance) for step in followed]
    lost = next((index for index, step in enumerate(steps) if step.state == "lost"), None)
    stop_s = found_s = lost_s = None
    if lost is not None:
        lost_s, later = steps[lost].seconds, steps[lost:]
        stood = next((step.seconds for step in later if step.speed < _STANDS_M_S), None)
        stop_s = None if stood is None else stood - lost_s
        found_s = next((step.seconds for step in later if step.state != "lost"), None)
    return Summary(
        len(steps),
        float(np.mean(errors)),
        float(np.nanmedian(measured)),
        lost_s,
        stop_s,
        found_s,
    )


def follow(
    seconds: float, hidden_s: float, output: Path, parameters: list[str]
) -> tuple[list[Step], Summary]:
    """Start the tracker, let the robot follow, stop both."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    robot, follower = StandInRobot(make_path(seconds, hidden_s)), Follower(DISTANCE_M)
    try:
        for node in (robot, follower):
            executor.add_node(node)
        with tracker_process(parameters, output) as tracker:
            steps = _checked(tracker, lambda: run(robot, follower, executor, seconds))
    finally:
        executor.shutdown()
        robot.destroy_node()
        follower.destroy_node()
        rclpy.try_shutdown()
    return steps, summarise(steps)


def _checked(tracker: Process, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except DemoError:
        tracker.check_running()  # its own last words say more
        raise


@app.command()
def main(
    seconds: Annotated[float, typer.Option(min=8, max=40, help="Length of the run.")] = 26.0,
    hidden: Annotated[
        float, typer.Option(min=3, max=30, help="When the object is hidden, seconds.")
    ] = 10.0,
    output: Annotated[
        Path, typer.Option(help="Folder for the picture, the summary and the tracker's log.")
    ] = Path("follow_output"),
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", "-p", metavar="NAME:=VALUE", help="Parameter of the tracker node."
        ),
    ] = None,
) -> None:
    """Follow an object at a distance, stop while it is hidden, go on when it is found again.

    Writes follow.png and summary.json; ends with status 1 if the robot did not do so.
    """
    stop_on_sigterm()
    output.mkdir(parents=True, exist_ok=True)
    prepare_environment()
    started = time.monotonic()
    try:
        steps, summary = follow(seconds, hidden, output, parameter or [])
    except (AutrackError, OSError) as error:
        typer.echo(f"follow: {error}", err=True)
        raise typer.Exit(1) from error
    write_json(output / "summary.json", asdict(summary))
    draw_run(steps, DISTANCE_M, output / "follow.png")
    print(
        f"{summary.steps} images in {time.monotonic() - started:.0f} s: mean distance error "
        f"{summary.mean_error_m:.3f} m, measured to {summary.median_measured_error_m:.3f} m"
    )
    if summary.lost_s is not None and summary.stop_s is not None and summary.found_s is not None:
        print(
            f"lost at {summary.lost_s:.1f} s, stood {summary.stop_s:.1f} s later, "
            f"found again at {summary.found_s:.1f} s"
        )
    print(f"wrote {output}/: follow.png, summary.json, tracker_node.log")
    for fault in summary.faults:
        typer.echo(f"follow: {fault}", err=True)
    if summary.faults:
        raise typer.Exit(1)


if __name__ == "__main__":
    app(prog_name="python -m autrack_ros.demo.follow")
