import itertools
import math
import time

import pytest

from autrack_ros.tracking.wide_search import SPACING, places

WIDTH, HEIGHT = 320, 240


def one_round(center, side):
    looked = places(center, side, WIDTH, HEIGHT)
    first = next(looked)
    return [first, *itertools.takewhile(lambda place: place != first, looked)]


@pytest.mark.parametrize("center", [(100.0, 80.0), (0.0, 240.0), (319.5, 3.25)])
@pytest.mark.parametrize("side", [60.0, 133.0, 900.0])
def test_it_begins_where_the_target_was_and_goes_outwards(center, side):
    distances = [math.dist(place, center) for place in one_round(center, side)]
    assert distances[0] == 0
    assert distances == sorted(distances)


@pytest.mark.parametrize("center", [(100.0, 80.0), (0.0, 240.0), (319.5, 3.25)])
def test_a_target_of_half_a_region_is_wholly_inside_one_wherever_it_is(center):
    side, half = 60.0, 15.0
    looked = one_round(center, side)
    for x, y in itertools.product(range(15, WIDTH - 14, 5), range(15, HEIGHT - 14, 5)):
        nearest = min(max(abs(x - px), abs(y - py)) for px, py in looked)
        assert nearest + half <= side / 2, (x, y)


def test_neighbours_are_half_a_region_apart():
    looked = one_round((160.0, 120.0), 80.0)
    assert (160.0 + SPACING * 80, 120.0) in looked
    assert len(looked) == len(set(looked)) == 9 * 7


def test_it_begins_again_when_all_was_looked_at():
    looked = places((10.0, 10.0), 200.0, WIDTH, HEIGHT)
    count = len(one_round((10.0, 10.0), 200.0))
    first = list(itertools.islice(looked, count))
    assert list(itertools.islice(looked, count)) == first


def test_a_tiny_target_in_a_large_image_takes_no_time_for_all_places_at_once():
    started = time.process_time()
    assert next(places((2000.0, 1500.0), 8.0, 4000, 3000)) == (2000.0, 1500.0)
    assert time.process_time() - started < 0.5
