"""Attributes that boxes alone tell."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from autrack_ros.evaluation.attributes import box_attributes
from autrack_ros.evaluation.boxfiles import write_boxes
from autrack_ros.evaluation.datasets import read_dataset

SIZE = (320, 240)
STILL = (100.0, 100, 40, 40)
NAN = (np.nan,) * 4


def frames_with(truth: list[tuple[float, ...]], annotated: list[bool] | None = None) -> dict:
    """Numbers of the frames that have each attribute, from 0."""
    known = None if annotated is None else np.array(annotated)
    found = box_attributes(np.array(truth, float), SIZE, known)
    return {name: np.flatnonzero(on).tolist() for name, on in found.items()}


def test_a_target_that_stands_still_has_none():
    assert frames_with([STILL] * 3) == {}


@pytest.mark.parametrize(("step", "fast"), [(40.0, []), (40.1, [1])])
def test_fast_is_further_than_the_root_of_the_box(step, fast):
    truth = [STILL, (100 + step, 100, 40, 40)]
    assert frames_with(truth) == ({"fast motion": fast} if fast else {})


def test_speed_is_not_known_across_a_gap():
    assert "fast motion" not in frames_with([STILL, NAN, (200, 100, 40, 40)])


@pytest.mark.parametrize(
    ("box", "attributes"),
    [
        ((100, 100, 40, 80), {}),
        ((100, 100, 56.6, 56.6), {"scale variation"}),
        ((100, 100, 28.2, 28.2), {"scale variation", "low resolution"}),
        ((100, 100, 57, 28), {"aspect ratio change"}),
        ((100, 100, 28, 57), {"aspect ratio change"}),
        ((100, 100, 40, 24.9), {"low resolution"}),
        ((100, 100, 40, 25), {}),
    ],
)
def test_shape_and_size_are_compared_with_the_first_box(box, attributes):
    assert frames_with([STILL, box]) == {name: [1] for name in attributes}


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ((0.5, 100, 40, 40), True),
        ((1, 100, 40, 40), False),
        ((279, 100, 40, 40), False),
        ((279.5, 100, 40, 40), True),
        ((100, 199.5, 40, 40), True),
    ],
)
def test_a_box_at_the_edge_is_cut(box, cut):
    assert ("cut by image" in frames_with([box, box])) == cut


def test_after_it_was_gone_it_matters_whether_it_left_or_was_hidden():
    edge = (0, 100, 40, 40)
    hidden = frames_with([STILL, NAN, STILL, STILL, NAN, STILL])
    assert hidden == {"after occlusion": [2, 3, 5]}
    left = frames_with([STILL, edge, NAN, STILL, NAN, NAN, STILL])
    assert left["after out of view"] == [3]
    assert left["after occlusion"] == [6]
    back = frames_with([STILL, (0, 0, 0, 0), edge])
    assert back["after out of view"] == [2]


def test_frames_that_are_not_annotated_are_not_absent():
    assert frames_with([STILL, NAN, STILL], [True, False, True]) == {}


def test_without_any_box_there_is_none():
    assert frames_with([NAN] * 3, [False] * 3) == {}


def test_a_folder_of_sequences_has_them(tmp_path):
    folder = tmp_path / "edge"
    (folder / "img").mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(folder / "img" / f"{number}.png"), np.zeros((60, 80, 3), np.uint8))
    write_boxes(
        folder / "groundtruth.txt", np.array([[10.0, 10, 9, 9], [71, 10, 9, 9], [10, 10, 9, 9]])
    )
    attributes = read_dataset(tmp_path)["edge"]().attributes
    assert {name: on.tolist() for name, on in attributes.items()} == {
        "fast motion": [False, True, True],
        "low resolution": [True, True, True],
        "cut by image": [False, True, False],
    }
