"""What the tests of target sessions begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from session_world import World

    from autrack_ros.tracking import TrackingEngine


@pytest.fixture(scope="module")
def engine() -> TrackingEngine:
    from autrack_ros.tracking import load_engine

    return load_engine(device="cpu")


@pytest.fixture
def world(engine: TrackingEngine) -> World:
    from session_world import World

    return World(engine)
