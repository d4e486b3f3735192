import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch
from lively import PRESET_OF_NETWORK, lively_network, template_box
from pictures import textured_image

from autrack_ros.networks import NETWORKS
from autrack_ros.tracking import (
    DEFAULT_PRESET,
    AdaptationSettings,
    Box,
    CheckpointError,
    ConfigurationError,
    DeviceError,
    InvalidBoxError,
    InvalidImageError,
    Tracker,
    TrackingEngine,
    iou,
    load_engine,
    load_tracker,
)
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime

SMALL = "siamfcpp_tinyconv"
TARGET = Box(140, 90, 48, 40)


@pytest.fixture(scope="module")
def default_tracker():
    return load_tracker(device="cpu", adaptation=AdaptationSettings(steps=4))


@pytest.fixture
def tracker():
    return Tracker(make_engine(SMALL), AdaptationSettings(steps=2))


def make_engine(name: str) -> TrackingEngine:
    preset = PRESET_OF_NETWORK[name]
    return TrackingEngine(TorchRuntime(lively_network(name), preset), preset)


def scene(target: Box, seed: int = 3) -> np.ndarray:
    """A textured object on another texture."""
    image = textured_image(240, 320, seed)
    x, y, w, h = (round(value) for value in target)
    image[y : y + h, x : x + w] = textured_image(h, w, seed + 1)[..., ::-1] // 2 + 100
    return image


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_initialises_adapts_and_updates(name):
    preset = PRESET_OF_NETWORK[name]
    tracker = Tracker(make_engine(name), AdaptationSettings(steps=1, support_crops=2))
    report = tracker.initialize(scene(TARGET), TARGET)
    assert report.losses[report.best_step] <= report.losses[0]
    result = tracker.update(scene(TARGET))
    size = preset.settings.search_size
    assert result.search.shape == (size, size, 3)
    assert np.isfinite(result.box).all()
    assert 0 <= result.score <= 1
    assert result.response.min() >= 0
    assert result.response.max() <= 1
    template = preset.settings.template_size
    assert tracker.template.shape == tracker.adapted_template.shape == (template, template, 3)


def test_default_model_follows_a_moving_object(default_tracker):
    box = TARGET
    default_tracker.initialize(scene(box), box)
    for _ in range(15):
        box = box._replace(x=box.x + 4, y=box.y + 2)
        result = default_tracker.update(scene(box))
    assert iou(result.box, box) > 0.5
    assert result.score > 0.2


def test_response_lies_where_the_target_is(default_tracker):
    """The best cell of the map, put into the image, is inside the target."""
    default_tracker.initialize(scene(TARGET), TARGET)
    result = default_tracker.update(scene(TARGET))
    row, column = np.unravel_index(result.response.argmax(), result.response.shape)
    x, y = result.response_to_image @ [column, row, 1]
    assert TARGET.x < x < TARGET.x + TARGET.w
    assert TARGET.y < y < TARGET.y + TARGET.h


def test_search_region_maps_to_the_image_edge_to_edge(default_tracker):
    default_tracker.initialize(scene(TARGET), TARGET)
    result = default_tracker.update(scene(TARGET))
    size = result.search.shape[0]
    left_top, right_bottom = (result.search_to_image @ [edge, edge, 1] for edge in (0, size))
    assert (left_top + right_bottom) / 2 == pytest.approx(TARGET.center)
    sides = default_tracker.engine.settings.box_windows[1]
    assert right_bottom - left_top == pytest.approx([sides * TARGET.w, sides * TARGET.h], rel=0.1)


def test_switching_the_adaptation_off_is_the_base_tracker_bit_for_bit():
    base = Tracker(make_engine(SMALL), AdaptationSettings(method="none"))
    base.initialize(scene(TARGET), TARGET)
    with torch.inference_mode():
        plain = base.engine.runtime.network.template(
            torch.from_numpy(base.template).permute(2, 0, 1)[None], template_box(127)
        )
    for ours, direct in zip(base.target.features, plain, strict=True):
        np.testing.assert_array_equal(ours, direct)


def test_a_small_target_is_tracked_without_adaptation(tracker):
    report = tracker.initialize(scene(TARGET), Box(100, 100, 7, 30))
    assert report.stop_reason == "target_too_small"
    np.testing.assert_array_equal(tracker.template, tracker.adapted_template)
    tracker.update(scene(TARGET))


def test_the_same_input_gives_the_same_result(tracker):
    results = []
    for _ in range(2):
        tracker.initialize(scene(TARGET), TARGET)
        results.append(tracker.update(scene(TARGET)))
    assert results[0].box == results[1].box


def test_a_box_of_numpy_numbers_is_a_box(default_tracker):
    default_tracker.initialize(scene(TARGET), Box(*np.array(TARGET, np.float64)))
    assert iou(default_tracker.update(scene(TARGET)).box, TARGET) > 0.5


def test_update_before_initialize_says_so(tracker):
    with pytest.raises(RuntimeError, match="initialize"):
        tracker.update(scene(TARGET))


def test_reset_forgets_the_target(tracker):
    tracker.initialize(scene(TARGET), TARGET)
    tracker.reset()
    assert not tracker.initialized
    with pytest.raises(RuntimeError, match="initialize"):
        tracker.update(scene(TARGET))


@pytest.mark.parametrize(
    "box", [Box(400, 0, 20, 20), Box(0, 0, float("nan"), 5), Box(10, 10, 1, 1)]
)
def test_a_bad_box_keeps_the_target_tracked_before(tracker, box):
    image = scene(TARGET)
    tracker.initialize(image, TARGET)
    template = tracker.adapted_template
    with pytest.raises(InvalidBoxError):
        tracker.initialize(image, box)
    np.testing.assert_array_equal(tracker.adapted_template, template)
    tracker.update(image)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((240, 320), np.uint8),
        np.zeros((240, 320, 4), np.uint8),
        np.zeros((240, 320, 3), np.float32),
        np.zeros((0, 320, 3), np.uint8),
        None,
    ],
)
def test_an_image_of_another_form_is_refused(tracker, image):
    tracker.initialize(scene(TARGET), TARGET)
    with pytest.raises(InvalidImageError, match="HxWx3 uint8"):
        tracker.update(image)
    with pytest.raises(InvalidImageError, match="HxWx3 uint8"):
        tracker.initialize(image, TARGET)
    tracker.update(scene(TARGET))


def test_a_change_of_image_size_is_refused_with_both_sizes(tracker):
    tracker.initialize(scene(TARGET), TARGET)
    with pytest.raises(InvalidImageError, match=r"100x50.*320x240"):
        tracker.update(np.zeros((50, 100, 3), np.uint8))


def test_the_state_stays_in_the_image(tracker):
    """An untrained network drifts anywhere; centre and size must stay within their limits."""
    tracker.initialize(scene(TARGET), Box(300, 220, 30, 30))
    for _ in range(20):
        box = tracker.update(scene(TARGET)).box
        cx, cy = box.pixel_center
        assert 0 <= cx <= 320
        assert 0 <= cy <= 240
        assert 10 <= box.w <= 320
        assert 10 <= box.h <= 240


def test_placing_moves_the_search_and_keeps_the_template(tracker):
    tracker.initialize(scene(TARGET), TARGET)
    template = tracker.adapted_template
    tracker.place(Box(20, 30, 40, 40))
    result = tracker.update(scene(TARGET))
    middle = result.search_to_image @ [151.5, 151.5, 1]
    assert middle == pytest.approx([40, 50])
    np.testing.assert_array_equal(tracker.adapted_template, template)
    with pytest.raises(InvalidBoxError):
        tracker.place(Box(1000, 0, 10, 10))


def test_an_unknown_preset_lists_the_known():
    with pytest.raises(ConfigurationError, match=f"'yolo'.*{DEFAULT_PRESET}"):
        load_tracker("yolo")


def test_weights_that_are_not_shipped_are_named_with_their_source():
    with pytest.raises(CheckpointError, match=r"siamfcpp-alexnet-vot.*video_analyst"):
        load_tracker("siamfcpp_alexnet_vot")


@pytest.mark.parametrize("device", ["tpu", "cuda:99", ""])
def test_a_device_that_is_not_there_lists_those_that_are(device):
    with pytest.raises(DeviceError, match=r"auto, cpu"):
        load_tracker(device=device)


def test_targets_followed_together_are_each_where_they_are_alone():
    for runtime in ("torch", "auto"):
        engine = load_engine(device="cpu", runtime=runtime)
        image = scene(TARGET)
        boxes = [TARGET, Box(30, 40, 60, 50), Box(200, 150, 40, 60)]
        targets = [engine.start(image, box) for box in boxes]
        later = scene(TARGET._replace(x=TARGET.x + 6))
        together = engine.follow(later, targets)
        for target, (found, result) in zip(targets, together, strict=True):
            ((alone, result_alone),) = engine.follow(later, [target])
            assert found.box == pytest.approx(alone.box, abs=1e-2)
            assert result.box == found.box
            assert result.score == pytest.approx(result_alone.score, abs=1e-4)
    assert engine.follow(later, []) == []


def test_a_started_target_is_followed_before_and_after_its_adaptation():
    engine = load_engine(device="cpu")
    image = scene(TARGET)
    started = engine.start(image, TARGET)
    ((moved, _),) = engine.follow(scene(TARGET._replace(x=TARGET.x + 5)), [started])
    adapted, report = engine.adapt(image, started, AdaptationSettings(steps=2))
    assert report.steps == 2
    np.testing.assert_array_equal(started.adapted_template, started.template)
    assert not np.array_equal(adapted.adapted_template, adapted.template)
    # What the adaptation found goes to where the target is meanwhile.
    followed = moved.retouched(adapted)
    ((found, _),) = engine.follow(scene(TARGET._replace(x=TARGET.x + 10)), [followed])
    assert iou(found.box, TARGET._replace(x=TARGET.x + 10)) > 0.5
