"""CUDA out of memory during adaptation: fewer crops, then none, and the report and log say so."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch
from lively import PRESET_OF_NETWORK, lively_network
from pictures import textured_image

from autrack_ros.tracking import AdaptationReport, AdaptationSettings, Box, Target, TrackingEngine
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime

NAME = "siamfcpp_tinyconv"
IMAGE, BOX = textured_image(240, 320), Box(100, 80, 50, 40)
SETTINGS = AdaptationSettings(steps=2, support_crops=6)


@pytest.fixture(scope="module")
def engine() -> TrackingEngine:
    preset = PRESET_OF_NETWORK[NAME]
    return TrackingEngine(TorchRuntime(lively_network(NAME), preset), preset)


def fill_memory(engine: TrackingEngine, patch: pytest.MonkeyPatch, room_for: int) -> list[int]:
    """Let the engine run out of memory beyond so many crops; list the crops of every try."""
    search, tried = engine.runtime.network.search, []

    def limited(crops: torch.Tensor) -> object:
        tried.append(len(crops))
        if len(crops) > room_for:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return search(crops)

    patch.setattr(engine.runtime.network, "search", limited)
    return tried


@pytest.mark.parametrize(
    ("room_for", "tried"), [(6, [6]), (5, [6, 3]), (2, [6, 3, 1]), (1, [6, 3, 1])]
)
def test_full_memory_leaves_fewer_crops_and_the_report_tells(
    engine: TrackingEngine, monkeypatch: pytest.MonkeyPatch, room_for: int, tried: list[int]
) -> None:
    target = engine.start(IMAGE, BOX)
    seen = fill_memory(engine, monkeypatch, room_for)
    adapted, report = engine.adapt(IMAGE, target, SETTINGS)
    assert seen == tried
    assert report.support_crops == tried[-1] <= room_for
    assert (report.stop_reason, report.steps) == ("completed", 2)
    assert not np.array_equal(adapted.adapted_template, target.template)


def test_with_no_room_for_any_crop_the_target_keeps_its_template_and_the_report_tells(
    engine: TrackingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = engine.start(IMAGE, BOX)
    seen = fill_memory(engine, monkeypatch, 0)
    adapted, report = engine.adapt(IMAGE, target, SETTINGS)
    assert seen == [6, 3, 1]
    assert adapted is target
    assert report.stop_reason == "out_of_memory"
    assert (report.support_crops, report.steps, report.losses) == (0, 0, ())
    monkeypatch.undo()
    ((_, found),) = engine.follow(IMAGE, [adapted])
    assert np.isfinite(found.score)


def test_memory_that_fills_between_the_steps_leaves_fewer_crops_too(
    engine: TrackingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = engine.start(IMAGE, BOX)
    template, calls = engine.runtime.network.template, 0

    def full_once(*arguments: torch.Tensor) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return template(*arguments)

    monkeypatch.setattr(engine.runtime.network, "template", full_once)
    _, report = engine.adapt(IMAGE, target, SETTINGS)
    assert (report.support_crops, report.stop_reason, report.steps) == (3, "completed", 2)


def test_what_a_failed_try_held_is_given_back_before_the_next(
    engine: TrackingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next try has no more room than the last."""
    target = engine.start(IMAGE, BOX)
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []
    search = engine.runtime.network.search

    def limited(crops: torch.Tensor) -> object:
        alive.append(sum(reference() is not None for reference in held))
        taken = torch.zeros(8)
        held.append(weakref.ref(taken))
        if len(crops) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return search(crops)

    monkeypatch.setattr(engine.runtime.network, "search", limited)
    monkeypatch.setattr(
        torch.cuda,
        "empty_cache",
        lambda: alive.append(sum(reference() is not None for reference in held)),
    )
    engine.adapt(IMAGE, target, SETTINGS)
    assert alive == [0] * 5  # tries of 6, 3 and 1 crops, the memory emptied in between


def test_another_error_is_not_taken_for_full_memory(
    engine: TrackingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(crops: torch.Tensor) -> object:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    target = engine.start(IMAGE, BOX)
    monkeypatch.setattr(engine.runtime.network, "search", broken)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        engine.adapt(IMAGE, target, SETTINGS)


@pytest.mark.parametrize(
    ("room_for", "crops", "stop_reason", "line"),
    [
        (2, 1, "completed", r"\[WARN\].*adapted to 1 of 6 crops: GPU memory is full"),
        (0, 0, "out_of_memory", r"\[ERROR\].*not adapted: GPU memory is full"),
    ],
)
def test_the_node_says_so_in_its_report_and_log_and_follows_on(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    room_for: int,
    crops: int,
    stop_reason: str,
    line: str,
) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2")
    pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")
    from autrack_ros.msg import Track
    from node_client import UPDATED, node_client
    from node_thread import tracker_thread

    adapt = TrackingEngine._adapt

    def limited(
        engine: TrackingEngine,
        image: np.ndarray,
        target: Target,
        settings: AdaptationSettings,
        should_cancel: Callable[[], bool],
    ) -> tuple[Target, AdaptationReport]:
        if settings.support_crops > room_for:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return adapt(engine, image, target, settings, should_cancel)

    monkeypatch.setattr(TrackingEngine, "_adapt", limited)
    with node_client() as client, tracker_thread(**{"adaptation.steps": 2, "runtime": "torch"}):
        client.wait_for_node()
        assert client.adapt_target("patch").state == Track.ADAPTING
        (report,) = client.until(lambda: client.reports, "report")
        assert (report.support_crops, report.stop_reason) == (crops, stop_reason)
        assert client.send(client.image()).state in UPDATED
    assert re.search(line, capfd.readouterr().err)
