"""The coarse-to-fine scan for a lost target, with made responses."""

import itertools
import math
import time

import numpy as np
import pytest

from autrack_ros.tracking.wide_search import FINE_PLACES, REACH, SPACING, ZOOM, WideSearch

WIDTH, HEIGHT = 640, 480
CENTER, SIDE = (100.0, 80.0), 96.0
CELLS = 16


def look(search, target=None, count=2):
    """A frame; the response of a coarse region has clutter and, where it lies, the target."""
    fine, coarse = search.next_places(count)
    for place in coarse:
        side = search.zoom * search.sides[0]
        step = side / CELLS
        first = [middle - (side - step) / 2 for middle in place]
        to_image = np.array([[step, 0, first[0]], [0, step, first[1]]])
        random = np.random.default_rng(hash(place) % 2**32)
        response = random.uniform(0, 0.1, (CELLS, CELLS)).astype(np.float32)
        if target is not None:
            column, row = (round((t - f) / step) for t, f in zip(target, first, strict=True))
            if 0 <= column < CELLS and 0 <= row < CELLS:
                response[row, column] = 0.2
        search.learn(response, to_image)
    return fine, coarse


def apart(one, other):
    """The larger of the distances along x and y."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def scan(frames, side=SIDE, center=CENTER):
    search = WideSearch(center, (side, side), WIDTH, HEIGHT)
    return search, [look(search) for _ in range(frames)]


def new_places(frames):
    """Coarse places of the first round."""
    seen = []
    for place in itertools.chain.from_iterable(coarse for _, coarse in frames):
        if place in seen:
            break
        seen.append(place)
    return seen


@pytest.mark.parametrize("center", [(100.0, 80.0), (0.0, 240.0), (639.5, 3.25)])
@pytest.mark.parametrize("side", [60.0, 133.0, 900.0])
def test_the_region_looked_at_grows_from_the_last_place_to_the_whole_image(center, side):
    search, frames = scan(120, side, center)
    places = new_places(frames)
    distances = [math.dist(place, center) for place in places]
    assert distances == sorted(distances)
    reach = SPACING / 2 * search.zoom * side
    for point in itertools.product(range(0, WIDTH + 1, 32), range(0, HEIGHT + 1, 32)):
        nearest = min(apart(place, point) for place in places)
        assert nearest <= reach + 1e-9, point


@pytest.mark.parametrize("side", [48.0, 96.0, 192.0, 384.0, 768.0])
def test_the_whole_image_is_covered_within_as_many_frames_as_coarse_regions(side):
    step = SPACING * min(ZOOM * side, WIDTH / SPACING)
    regions = math.ceil(WIDTH / step) * math.ceil(HEIGHT / step)
    _, frames = scan(regions, side)
    assert len(new_places(frames)) == regions


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("side", [20.0, 96.0, 900.0])
def test_no_frame_has_more_regions_than_asked_for(count, side):
    search = WideSearch(CENTER, (side, side), WIDTH, HEIGHT)
    for _ in range(60):
        fine, coarse = look(search, count=count)
        assert 1 <= len(fine) + len(coarse) <= count


def test_the_best_coarse_response_is_looked_at_finely_in_the_next_frame():
    target = (520.0, 410.0)
    search = WideSearch(CENTER, (SIDE, SIDE), WIDTH, HEIGHT)
    looks = [look(search, target) for _ in range(20)]

    def first(kind, within):
        return next(
            number
            for number, places in enumerate(looks)
            if any(apart(place, target) < within for place in places[kind])
        )

    region = ZOOM * SIDE
    assert first(0, region / CELLS) == first(1, region / 2) + 1


def rounds(side, count):
    """Fine places of the first few rounds."""
    search = WideSearch(CENTER, (side, side), WIDTH, HEIGHT)
    places, first = [], None
    while True:
        fine, coarse = look(search)
        if first is None or first in coarse:
            if len(places) == count:
                return places
            places.append([])
        first = first or coarse[0]
        places[-1] += fine


@pytest.mark.parametrize("side", [48.0, 96.0, 192.0])
def test_in_a_round_no_place_is_looked_at_twice_and_the_best_few_are(side):
    (places,) = rounds(side, 1)
    assert len(places) >= FINE_PLACES
    for one, other in itertools.combinations(places, 2):
        assert apart(one, other) > REACH * side


def test_rounds_look_at_ever_more_places_until_all_were_looked_at_then_are_short_again():
    counts = [len(places) for places in rounds(192.0, 8)]
    assert counts[:3] == [FINE_PLACES, 2 * FINE_PLACES, 4 * FINE_PLACES]
    assert FINE_PLACES in counts[3:]


def test_a_flat_response_keeps_the_scan_going():
    search = WideSearch(CENTER, (SIDE, SIDE), WIDTH, HEIGHT)
    flat = np.zeros((CELLS, CELLS), np.float32)
    seen = set()
    for _ in range(60):
        fine, coarse = search.next_places(2)
        assert 1 <= len(fine) + len(coarse) <= 2
        seen.update(coarse)
        for x, y in coarse:
            search.learn(flat, np.array([[12.0, 0, x - 90], [0, 12.0, y - 90]]))
    assert len(seen) == 5 * 4  # steps of at most 144 pixels


def test_a_tiny_target_in_a_large_image_takes_little_time():
    started = time.process_time()
    search = WideSearch((2000.0, 1500.0), (8.0, 8.0), 4000, 3000)
    for _ in range(100):
        look(search)
    assert time.process_time() - started < 0.5


def test_regions_that_are_not_square_cover_the_image_as_well():
    sides = (48.0, 192.0)
    search = WideSearch(CENTER, sides, WIDTH, HEIGHT)
    middles = set()
    for _ in range(400):
        _, coarse = search.next_places(2)
        if middles.intersection(coarse):
            break
        middles.update(coarse)
    half = [search.zoom * side / 2 for side in sides]
    assert search.zoom == ZOOM
    for point in itertools.product(np.linspace(0, WIDTH, 41), np.linspace(0, HEIGHT, 31)):
        assert any(
            all(abs(a - b) <= reach for a, b, reach in zip(point, middle, half, strict=True))
            for middle in middles
        )
