"""The ways to follow that are compared, and the tables of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

from autrack_ros.evaluation.long_term import Counts
from autrack_ros.tracking import Box, load_engine, recovery
from autrack_ros.tracking import follower as follower_module
from autrack_ros.tracking.likeness import Evidence
from benchmarks.following import BARE, WAYS, Followed, parts_table, way_table

START = Box(60, 40, 40, 32)


@pytest.fixture(scope="module")
def engine():
    return load_engine(device="cpu")


def images(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (40, 50, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    return [np.roll(picture, 60 * number, axis=1) for number in range(count)]


def test_a_part_that_is_left_out_is_not_there(engine):
    follower = {name: way.follower(engine, way.settings) for name, way in WAYS.items()}
    frames = images(3)
    for one in follower.values():
        one.put("target", engine.start(frames[0], START), frames[0])
        for frame in frames:
            one.follow(frame)
    whole = follower["as the node follows"]
    assert isinstance(whole.engine.evidence, Evidence)
    assert whole._followed["target"].presence.learnt == 3
    level = follower["without the target's own level of score"]
    assert level._followed["target"].presence.usual == 1.0
    assert follower["without the comparison with the first image"].engine.evidence is None
    for one in follower.values():
        one._camera.see(np.roll(frames[2], 40, axis=1))
    shifts = {name: one._camera.shift() for name, one in follower.items()}
    assert abs(shifts["as the node follows"][0]) > 20
    assert shifts["without the camera's jumps taken out"] == (0, 0)
    assert engine.evidence is not None
    assert (recovery.PLAUSIBLE, follower_module.SIZE_RATE) == (2.0, 0.05)


def followed(*aucs: float, **counts: int) -> Followed:
    return Followed(np.array(aucs), replace(Counts(frames=10), **counts))


def test_the_tables_take_all_sets_together():
    node = "as the node follows"
    sets = {
        "one": {
            BARE: followed(0.5, 0.7, wrong_frames=4, wrong_tracking=3),
            node: followed(0.6, 0.6, right_frames=8, right_tracking=6),
        },
        "two": {
            BARE: followed(0.1, absent=5, returns=1),
            node: followed(0.5, absent=5, absent_lost=4, returns=1, frames_until_found=(3,)),
        },
    }
    *_, one, two, together = way_table(sets, node).splitlines()
    start, end = "| one | 2 | 0.600 | 0.600 | +0.000 | -0.100 |", "| 0.750 |  | 0.000 |  |"
    assert one == f"{start} 0.400 (0.300) | 0.000 (0.000) {end}"
    assert "| 1 | 0.100 | 0.500 | +0.400 | +0.400 |" in two
    assert "| 0.800 | 0.000 | 1 of 1 (0) |" in two
    assert together.startswith("| all | 3 | 0.433 | 0.567 | +0.133 (")
    assert "| 0.200 (0.150) | 0.000 (0.000) | 0.750 | 0.800 | 0.000 | 1 of 1 (0) |" in together
    *_, bare, whole = parts_table(sets).splitlines()
    assert bare.startswith(f"| {BARE} | 0.600 | 0.100 | 0.433 |  |  | 0.200 (0.150) |")
    assert whole.startswith(f"| {node} | 0.600 | 0.500 | 0.567 | +0.133 (")
