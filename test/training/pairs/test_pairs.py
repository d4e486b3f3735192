"""Pairs: the same for the same seed, labelled exactly, with what tracking breaks on in them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.training.pairs.bank import CROP_SIZE, OUTLINE_POINTS, CropBank
from autrack_ros.training.pairs.clutter import MAX_HIDDEN, MAX_HIDING
from autrack_ros.training.pairs.compose import Layer, Pictures, Shape, draw
from autrack_ros.training.pairs.crops import StoredCrops, stored_window
from autrack_ros.training.pairs.framing import SEARCH_SIZE, TEMPLATE_SIZE
from autrack_ros.training.pairs.maker import BATCH, PairMaker
from autrack_ros.training.pairs.photometry import (
    Photometry,
    blur,
    develop,
    jpeg,
    noise_tile,
    reduce,
)
from autrack_ros.training.pairs.settings import PairSettings
from autrack_ros.training.pairs.sheet import pair_sheet

WHITE, GREEN = (255, 255, 255, 255), (40, 200, 60, 255)
SHARES = (
    *("negative_share", "new_background", "distractor", "lookalike", "occluder"),
    *("light", "dark", "grey", "shadow", "blur", "motion", "low_resolution", "noise", "jpeg"),
)
NO_CHANGE = dict.fromkeys(SHARES, 0.0)
MIDDLE = (CROP_SIZE - 1) / 2


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def drawn_ellipse(width: float, height: float, color=WHITE) -> tuple[np.ndarray, np.ndarray]:
    """A cut-out crop of an ellipse, sides in pixels, and points of its edge."""
    rows, columns = np.mgrid[:CROP_SIZE, :CROP_SIZE] - MIDDLE
    radius = np.hypot(columns / (width / 2), rows / (height / 2))
    pixels = np.zeros((CROP_SIZE, CROP_SIZE, 4), np.uint8)
    pixels[..., :3] = color[:3]
    edge = (1 - radius) * min(width, height) / 2 + 0.5
    pixels[..., 3] = (edge.clip(0, 1) * 255).astype(np.uint8)
    angle = np.arange(OUTLINE_POINTS) * 2 * np.pi / OUTLINE_POINTS
    points = np.stack([np.cos(angle) * width / 2, np.sin(angle) * height / 2], axis=1)
    return pixels, points + MIDDLE


def textured(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.integers(30, 226, (20, 20, 3), dtype=np.uint8)
    return cv2.resize(coarse, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_CUBIC)


def make_bank(rows: list[dict], backgrounds: np.ndarray | None = None) -> CropBank:
    if backgrounds is None:
        backgrounds = np.zeros((1, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    columns = {}
    for name in ("cutout", "object", "label", "source", "picture", "time"):
        columns[name] = torch.tensor([row[name] for row in rows])
    names = sorted({row["source"] for row in rows})
    return CropBank(
        pixels=StoredCrops(
            CROP_SIZE, [stored_window(row["pixels"], row["cutout"]) for row in rows]
        ),
        outline=torch.from_numpy(np.stack([row["outline"] for row in rows]).astype(np.float32)),
        mean_color=torch.zeros(len(rows), 3),
        backgrounds=torch.from_numpy(backgrounds),
        source_names=[f"source{name}" for name in names],
        label_names=["a", "b"],
        **columns,
    )


@pytest.fixture(scope="module")
def ellipses() -> CropBank:
    """White cut-outs of several forms, before nothing but black."""
    rows = []
    for number, (width, height) in enumerate([(60, 60), (100, 40), (40, 110), (90, 70)]):
        pixels, outline = drawn_ellipse(width, height)
        rows.append(
            dict(
                pixels=pixels,
                outline=outline,
                cutout=True,
                object=number,
                label=0,
                source=0,
                picture=number,
                time=0,
            )
        )
    return make_bank(rows)


@pytest.fixture(scope="module")
def mixed() -> CropBank:
    """Two sources: 4 boxes in clips of 6 views, of 2 labels; and 4 cut-outs."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(4):
        _, outline = drawn_ellipse(*((80, 70) if number < 3 else (40, 110)))
        for time in range(6):
            pixels = np.dstack([textured(rng), np.full((CROP_SIZE, CROP_SIZE), 255, np.uint8)])
            if time == 0:
                pixels[:, :60, 3] = 0
            rows.append(
                dict(
                    pixels=pixels,
                    outline=outline,
                    cutout=False,
                    object=number,
                    label=number % 2,
                    source=0,
                    # Objects 0 and 1 are in one clip.
                    picture=time if number < 2 else number * 10 + time,
                    time=time,
                )
            )
    for number in range(4, 8):
        pixels, outline = drawn_ellipse(70 + 5 * number, 90, GREEN)
        rows.append(
            dict(
                pixels=pixels,
                outline=outline,
                cutout=True,
                object=number,
                label=number % 2,
                source=1,
                picture=1000 + number,
                time=0,
            )
        )
    return make_bank(rows, np.stack([textured(rng) for _ in range(3)]))


def measured_corners(crop: torch.Tensor) -> np.ndarray:
    """Inclusive corners of what is bright, where brightness passes one half."""
    bright = crop.amax(dim=0).numpy() / 255
    corners = []
    for profile in (bright.max(axis=0), bright.max(axis=1)):
        inside = np.flatnonzero(profile > 0.5)
        first, last = int(inside[0]), int(inside[-1])
        # Sub-pixel: the level one half between neighbours is the edge.
        low, high = float(first), float(last)
        if first > 0:
            a, b = profile[first - 1], profile[first]
            low = first - 1 + (0.5 - a) / (b - a)
        if last < len(profile) - 1:
            a, b = profile[last], profile[last + 1]
            high = last + (0.5 - a) / (b - a)
        corners += [low + 0.5, high - 0.5]
    return np.array(corners)[[0, 2, 1, 3]]


def assert_inside_labels(crops: torch.Tensor, corners: torch.Tensor) -> int:
    size = crops.shape[-1]
    checked = 0
    for crop, expected in zip(crops, corners.numpy(), strict=True):
        if expected.min() < 2 or expected.max() > size - 3:
            continue
        np.testing.assert_allclose(measured_corners(crop), expected, atol=1.0)
        checked += 1
    return checked


def test_labels_bound_what_is_drawn(ellipses):
    maker = PairMaker(ellipses, PairSettings(**NO_CHANGE, flip=0.5, thin_share=0.5, turn_share=0.5))
    checked = 0
    for number in range(4):
        batch = maker.batch(number)
        checked += assert_inside_labels(batch.search, batch.corners)
        assert assert_inside_labels(batch.template, batch.template_corners) == BATCH
    assert checked > 2 * BATCH


def test_labels_of_a_stretched_and_rotated_rectangle(ellipses):
    """A bar whose corners are its outline: its box follows every rotation exactly."""
    rows, columns = np.abs(np.mgrid[:CROP_SIZE, :CROP_SIZE] - MIDDLE)
    pixels = np.full((CROP_SIZE, CROP_SIZE, 4), 255, np.uint8)
    pixels[..., 3] = ((columns < 40) & (rows < 30)) * 255
    corners = np.array([(x, y) for x in (-40, 40) for y in (-30, 30)]) + MIDDLE
    outline = np.repeat(corners, OUTLINE_POINTS // 4, axis=0)
    row = dict(pixels=pixels, outline=outline, cutout=True, label=0, source=0, time=0)
    bank = make_bank([dict(row, object=number, picture=number) for number in range(2)])
    settings = PairSettings(**NO_CHANGE, rotation=45, thin_share=0, stretch=0)
    batch = PairMaker(bank, settings).batch(0)
    assert assert_inside_labels(batch.search, batch.corners) > BATCH // 2


def test_a_batch_is_a_function_of_seed_and_number(mixed):
    first, again = (PairMaker(mixed, PairSettings(seed=3)) for _ in range(2))
    first.batch(6)
    for name in ("template", "search", "template_corners", "corners", "negative"):
        assert torch.equal(getattr(first.batch(7), name), getattr(again.batch(7), name))
    assert not torch.equal(first.batch(7).search, first.batch(8).search)
    other_seed = PairMaker(mixed, PairSettings(seed=4)).batch(7)
    assert not torch.equal(first.batch(7).search, other_seed.search)


def test_batches_have_the_promised_shapes_and_levels(mixed):
    batch = PairMaker(mixed, PairSettings()).batch(0)
    assert batch.template.shape == (BATCH, 3, TEMPLATE_SIZE, TEMPLATE_SIZE)
    assert batch.search.shape == (BATCH, 3, SEARCH_SIZE, SEARCH_SIZE)
    for crops in (batch.template, batch.search):
        assert crops.dtype == torch.float32
        assert 0 <= crops.min() <= 30
        assert 200 <= crops.max() <= 255
    assert batch.corners.dtype == batch.template_corners.dtype == torch.float32
    assert batch.negative.dtype == torch.bool


def test_negative_pairs_never_show_the_object_or_its_clip(mixed):
    maker = PairMaker(mixed, PairSettings(negative_share=1.0))
    objects, pictures = mixed.object.numpy(), mixed.picture.numpy()
    kinds = np.zeros(3)
    for number in range(12):
        plan = maker.plan(number)
        assert plan.negative.all()
        for pair, (first, shown) in enumerate(
            zip(plan.template_crop, plan.search_crop, strict=True)
        ):
            kinds[0 if shown < 0 else 1 if objects[shown] == objects[first] else 2] += 1
            for layer in plan.search.layers:
                for index in np.flatnonzero(layer.canvas == pair):
                    picture = layer.picture[index]
                    if picture == shown and objects[shown] == objects[first]:
                        continue  # covered: see the next test
                    if picture < len(objects):
                        assert objects[picture] != objects[first]
                        assert pictures[picture] != pictures[first]
            if shown >= 0 and objects[shown] != objects[first]:
                assert {objects[first], objects[shown]} != {0, 1}  # of one clip
    absent, covered, other = kinds / kinds.sum()
    assert 0.05 < absent < 0.18
    assert 0.05 < covered < 0.18
    assert other > 0.7


def test_a_covered_target_is_not_to_be_seen(ellipses):
    """Before black, nothing bright is left of a white target."""
    changes = dict(NO_CHANGE, negative_share=1.0)
    maker = PairMaker(ellipses, PairSettings(**changes))
    found = 0
    for number in range(6):
        plan, batch = maker.plan(number), maker.batch(number)
        same = plan.search_crop == plan.template_crop
        for pair in np.flatnonzero(same):
            assert batch.search[pair].max() < 2
            found += 1
    assert found > 5


def test_half_of_the_other_objects_in_negative_pairs_have_the_same_label(mixed):
    maker = PairMaker(mixed, PairSettings(negative_share=1.0, source_weights={"source1": 1}))
    objects, labels = mixed.object.numpy(), mixed.label.numpy()
    same = []
    for number in range(12):
        plan = maker.plan(number)
        other = (plan.search_crop >= 0) & (objects[plan.search_crop] != objects[plan.template_crop])
        same.append((labels[plan.search_crop] == labels[plan.template_crop])[other])
    # Half by intention (5 of 8), and a third of the rest by chance.
    assert 0.6 < np.concatenate(same).mean() < 0.9


def test_shares_come_out_near_their_settings(mixed):
    s = PairSettings()
    maker = PairMaker(mixed, s)
    plans = [maker.plan(number) for number in range(40)]

    def share(values) -> float:
        return float(np.concatenate(list(values)).mean())

    light = [plan.search.photometry for plan in plans]
    assert share(plan.negative for plan in plans) == pytest.approx(s.negative_share, abs=0.04)
    assert share(p.quality > 0 for p in light) == pytest.approx(s.jpeg, abs=0.04)
    assert share(p.noise > 0 for p in light) == pytest.approx(s.noise, abs=0.04)
    assert share(p.reduction > 0 for p in light) == pytest.approx(s.low_resolution, abs=0.04)
    assert share(p.motion.any(axis=1) for p in light) == pytest.approx(s.motion, abs=0.04)
    assert share(p.shadow[:, :3].any(axis=1) for p in light) == pytest.approx(s.shadow, abs=0.03)
    halved = share(plan.template.photometry.quality > 0 for plan in plans)
    assert halved == pytest.approx(s.jpeg / 2, abs=0.04)
    occluded, covered = (
        np.mean([len(plan.search.layers[level]) for plan in plans]) / BATCH for level in (-2, -1)
    )
    assert occluded == pytest.approx(s.occluder, abs=0.04)
    assert covered == pytest.approx(s.negative_share / 10, abs=0.02)


def test_without_changes_of_light_the_levels_are_those_of_the_bank(ellipses):
    batch = PairMaker(ellipses, PairSettings(**NO_CHANGE)).batch(0)
    assert (batch.template.amax(dim=(2, 3)) == 255).all()
    assert (batch.template.amin(dim=(2, 3)) == 0).all()


def test_sources_are_drawn_by_their_weights(mixed):
    settings = PairSettings(source_weights={"source0": 3, "source1": 1})
    maker = PairMaker(mixed, settings)
    chosen = np.concatenate([maker.plan(number).template_crop for number in range(30)])
    assert mixed.source.numpy()[chosen].mean() == pytest.approx(0.25, abs=0.05)


def test_the_second_view_is_within_the_largest_gap(mixed):
    time, objects = mixed.time.numpy(), mixed.object.numpy()
    for gap in (0, 2):
        maker = PairMaker(mixed, PairSettings(max_gap=gap, negative_share=0))
        gaps = []
        for number in range(6):
            plan = maker.plan(number)
            assert (objects[plan.template_crop] == objects[plan.search_crop]).all()
            gaps.append(np.abs(time[plan.template_crop] - time[plan.search_crop]))
        assert np.concatenate(gaps).max() == gap


def shown_share(layer: Layer, index: int, corners: np.ndarray) -> float:
    """Share of a box's pixels that lie inside a shape."""
    x0, y0, x1, y1 = corners
    points = np.stack(np.meshgrid(np.linspace(x0, x1, 40), np.linspace(y0, y1, 40)), -1)
    a = layer.to_shape[index]
    inside = np.abs(points.reshape(-1, 2) @ a[:, :2].T + a[:, 2]).max(axis=1) < 1
    return float(inside.mean())


def test_what_is_pasted_hides_at_most_its_share_of_the_target(mixed):
    settings = PairSettings(distractor=1.0, lookalike=1.0, occluder=1.0, negative_share=0)
    maker = PairMaker(mixed, settings)
    beside = occluders = 0
    for number in range(4):
        plan = maker.plan(number)
        *front, last, covers = plan.search.layers
        assert len(covers) == 0
        for layer in front[1:4] + front[5:]:
            for index, pair in enumerate(layer.canvas):
                share = shown_share(layer, index, plan.search.corners[pair])
                assert share <= MAX_HIDING + 0.06
                beside += 1
        for index, pair in enumerate(last.canvas):
            share = shown_share(last, index, plan.search.corners[pair])
            assert share <= MAX_HIDDEN + 0.06
            occluders += 1
    assert beside > 4 * BATCH
    assert occluders > 3 * BATCH


def test_distractors_are_behind_cut_outs_and_before_boxes(mixed):
    settings = PairSettings(distractor=1.0, lookalike=1.0, negative_share=0, new_background=0)
    plan = PairMaker(mixed, settings).plan(0)
    cutout = mixed.cutout.numpy()[plan.search_crop]
    behind, front = plan.search.layers[1:4], plan.search.layers[5:8]
    assert all(cutout[layer.canvas].all() for layer in behind)
    assert not any(cutout[layer.canvas].any() for layer in front)
    assert sum(map(len, behind)) > 0
    assert sum(map(len, front)) > 0


def rotations(maps: np.ndarray) -> np.ndarray:
    """Largest angle by which either axis turns, degrees."""
    back = np.linalg.inv(maps[:, :, :2])
    across = np.degrees(np.arctan2(back[:, 1, 0], np.abs(back[:, 0, 0])))
    return np.abs(across)


def test_thin_objects_are_hardly_rotated_and_others_are(ellipses):
    maker = PairMaker(ellipses, PairSettings(**NO_CHANGE, thin_share=0, turn_share=0))
    thin, other = [], []
    for number in range(6):
        plan = maker.plan(number)
        angle = rotations(plan.search.layers[4].to_picture)
        is_thin = plan.template_crop == 2
        thin.append(angle[is_thin])
        other.append(angle[plan.template_crop == 0])
    assert np.concatenate(thin).max() <= 5
    assert np.concatenate(other).max() > 10


def test_stretching_makes_thin_objects(ellipses):
    def thin_share(stretched: float) -> float:
        maker = PairMaker(ellipses, PairSettings(**NO_CHANGE, thin_share=stretched, turn_share=0))
        sizes = []
        for number in range(10):
            plan = maker.plan(number)
            round_one = plan.template_crop == 0
            corners = plan.template.corners[round_one]
            sizes.append(corners[:, 2:] - corners[:, :2] + 1)
        width, height = np.concatenate(sizes).T
        return float((np.abs(np.log(width / height)) > 0.4).mean())

    assert thin_share(0) < 0.02
    assert thin_share(1) > 0.25


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("negative_share", 1.2, "0..1"),
        ("jpeg", -0.1, "0..1"),
        ("noise", "often", "0..1"),
        ("shift", 0.7, "0..0.5"),
        ("rotation", 90.0, "0..45"),
        ("max_gap", -1, ">= 0"),
        ("max_gap", 2.5, ">= 0"),
        ("seed", -1, ">= 0"),
        ("source_weights", {"boxes": -1.0}, "no weight below 0"),
        ("source_weights", {"boxes": 0.0}, "one above 0"),
    ],
)
def test_a_setting_out_of_range_is_named(name, value, accepted):
    with pytest.raises(ConfigurationError) as error:
        PairSettings(**{name: value})
    for part in (f"pairs.{name}", str(value), accepted):
        assert part in str(error.value)


def test_an_unknown_source_is_named_with_those_there_are(mixed):
    with pytest.raises(ConfigurationError, match=r"lasot.*source0.*source1"):
        PairMaker(mixed, PairSettings(source_weights={"lasot": 1.0}))


def test_a_bank_of_a_single_scene_is_refused(mixed):
    row = dict(outline=mixed.outline[0].numpy(), pixels=mixed.pixels[0], cutout=False)
    rows = [dict(row, object=n, label=0, source=0, picture=0, time=0) for n in range(2)]
    with pytest.raises(ConfigurationError, match="single scene"):
        PairMaker(make_bank(rows), PairSettings())


def test_outside_the_picture_is_the_mean_color_or_another_background(mixed):
    settings = PairSettings(**NO_CHANGE, surroundings=0)
    maker = PairMaker(mixed, settings)
    plan = maker.plan(0)
    assert len(plan.search.layers[0]) == mixed.cutout.numpy()[plan.search_crop].sum()


def test_a_shape_is_drawn_where_it_is_said(mixed):
    """A rectangle covers its inside, nothing of its outside; its edge is soft."""
    canvas = torch.zeros(2, 3, 64, 64)
    identity = np.eye(2, 3)[None]
    to_shape = np.array([[[1 / 20, 0, -32 / 20], [0, 1 / 10, -32 / 10]]])
    layer = Layer(
        np.array([1]),
        np.array([len(mixed)]),
        identity,
        np.array([Shape.RECTANGLE]),
        to_shape,
        np.array([[0, 0, 64, 64]]),
    )
    draw(canvas, layer, Pictures(mixed, torch.device("cpu")))
    background = mixed.backgrounds[0, :64, :64].permute(2, 0, 1).float()
    assert canvas[0].max() == 0
    found, expected = (picture[:, 24:41, 15:50] for picture in (canvas[1], background))
    torch.testing.assert_close(found, expected, rtol=0, atol=0.01)
    assert canvas[1, :, 43:].max() == 0
    assert canvas[1, :, :, 53:].max() == 0


def natural() -> torch.Tensor:
    """(1, 3, 64, 64) smooth colours."""
    picture = cv2.GaussianBlur(textured(np.random.default_rng(1)), (0, 0), 4)[:128:2, :128:2]
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float()


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(10 * torch.log10(255**2 / (a - b).square().mean()))


def test_jpeg_is_near_the_original_at_high_quality_and_worse_at_low():
    picture = natural()
    fine, middle, coarse = (
        psnr(jpeg(picture, torch.tensor([quality])), picture) for quality in (98, 60, 10)
    )
    assert fine > 38
    assert fine > middle + 3 > coarse + 6


def test_jpeg_agrees_with_libjpeg():
    picture = natural()
    image = picture[0].permute(1, 2, 0).numpy().astype(np.uint8)
    for quality in (30, 75):
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        expected = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        found = jpeg(picture, torch.tensor([quality]))
        assert psnr(found, torch.from_numpy(expected).permute(2, 0, 1)[None].float()) > 38


def test_motion_blur_is_a_mean_along_the_movement():
    picture = torch.zeros(1, 3, 64, 64)
    picture[..., 32, 32] = 255
    moved = blur(picture, torch.zeros(1), torch.tensor([[8.0, 0.0]]))[0, 0]
    assert moved[32, 29:36].numpy() == pytest.approx(255 / 8, abs=6)
    assert moved[:30].max() < 1
    assert moved[32, 40:].max() < 6
    spread = blur(picture, torch.tensor([2.0]), torch.zeros(1, 2))[0, 0]
    kernel = cv2.getGaussianKernel(31, 2.0)
    expected = 255 * kernel @ kernel.T
    assert spread[17:48, 17:48].numpy() == pytest.approx(expected, abs=0.1)


def test_a_reduced_picture_keeps_its_place_and_loses_detail():
    picture = natural()
    for factor in (2, 3, 5):
        reduced = reduce(picture, factor)
        assert reduced.shape == picture.shape
        assert psnr(reduced, picture) > 20
        assert (reduced.diff(dim=3).abs().mean()) < picture.diff(dim=3).abs().mean()


def no_photometry(count: int) -> dict[str, np.ndarray]:
    return dict(
        shadow=np.zeros((count, 6), np.float32),
        blur=np.zeros(count, np.float32),
        motion=np.zeros((count, 2), np.float32),
        reduction=np.zeros(count, int),
        colors=np.tile(np.eye(3, 4, dtype=np.float32), (count, 1, 1)),
        tone=np.zeros(count, np.float32),
        noise=np.zeros(count, np.float32),
        noise_place=np.zeros((count, 2), int),
        quality=np.zeros(count, int),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shadow", [0.3, -0.3, 0.5, 1, 0, 0]),
        ("blur", 2.0),
        ("motion", [9.0, -4.0]),
        ("reduction", 4),
        ("colors", np.full((3, 4), 0.5)),
        ("tone", 0.6),
        ("noise", 30.0),
        ("quality", 10),
    ],
)
def test_a_change_of_light_or_quality_keeps_levels_and_other_pictures(name, value):
    picture = natural().repeat(3, 1, 1, 1)
    tile = torch.from_numpy(noise_tile(0))
    plan = no_photometry(3)
    plan[name][1] = value
    changed = develop(picture.clone(), Photometry(**plan), tile)
    assert changed.shape == picture.shape
    assert changed.min() >= 0
    assert changed.max() <= 255
    torch.testing.assert_close(changed[[0, 2]], picture[[0, 2]])
    assert (changed[1] - picture[1]).abs().mean() > 1


def test_a_crop_alone_is_made_as_in_a_batch(mixed):
    """One at a time as on a CPU, all together as on a GPU."""
    maker = PairMaker(mixed, PairSettings())
    alone = maker.batch(5)
    maker._together = BATCH
    together = maker.batch(5)
    # Rounding may put a coefficient of a JPEG on the other side of a half.
    assert (alone.search - together.search).abs().mean() < 0.1
    assert (alone.template - together.template).abs().mean() < 0.1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_makes_the_same_batch(mixed):
    here = PairMaker(mixed, PairSettings()).batch(2)
    there = PairMaker(mixed, PairSettings(), "cuda").batch(2)
    assert torch.equal(here.corners, there.corners.cpu())
    assert (here.search - there.search.cpu()).abs().mean() < 0.5


def test_the_sheet_shows_every_pair(mixed):
    sheet = pair_sheet(PairMaker(mixed, PairSettings()), count=10, columns=4)
    assert sheet.shape == (3 * (SEARCH_SIZE + 4), 4 * (TEMPLATE_SIZE + SEARCH_SIZE + 4), 3)
    assert sheet.dtype == np.uint8
    assert (sheet == (0, 255, 0)).all(axis=2).any()


# --- windows that take the target's shape


def test_box_windows_show_the_target_as_a_square_of_the_stated_share():
    rows = []
    for number, (width, height) in enumerate([(40, 120), (110, 50), (70, 70), (60, 90)]):
        pixels, outline = drawn_ellipse(width, height)
        rows.append({"pixels": pixels, "outline": outline, "cutout": True, "source": 0})
        rows[-1] |= {"object": number, "label": number % 2, "picture": number, "time": 0}
    still = {"scale": 0.0, "shift": 0.0, "window_aspect": 0.0, "rotation": 0.0, "flip": 0.0}
    settings = PairSettings(**NO_CHANGE, **still)
    batch = PairMaker(make_bank(rows), settings, box_windows=(1.4, 5.0)).batch(0)
    for corners, size, sides, tolerance in (
        (batch.template_corners, TEMPLATE_SIZE, 1.4, 0.25),  # the tracker's scale is never exact
        (batch.corners, SEARCH_SIZE, 5.0, 1e-3),
    ):
        lengths = corners[:, 2:] - corners[:, :2] + 1
        torch.testing.assert_close(lengths[:, 0], lengths[:, 1], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(
            lengths, torch.full_like(lengths, size / sides), rtol=tolerance, atol=0.0
        )
