from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch

from autrack_ros.tracking import DEFAULT_PRESET, PRESETS
from benchmarks import ablations


@pytest.mark.parametrize("name", ablations.VARIANTS)
def test_every_variant_predicts_boxes(name):
    variant = ablations.VARIANTS[name]
    network = variant.build().eval()
    cells = {"depth-wise correlation": 9, "depth-wise, with the box": 9, "stride 8": 32}
    rows = cells.get(name, variant.search_size // 16)
    z, x = (torch.rand(1, 3, size, size) * 255 for size in (128, variant.search_size))
    boxes = torch.tensor([[32.0, 32, 95, 95], [10, 50, 117, 77]])
    with torch.inference_mode():
        search = network.search(x)
        one, other = (network.predict(network.template(z, box[None]), search) for box in boxes)
    assert one.boxes.shape == (1, rows, rows, 4)
    assert one.boxes.isfinite().all()
    ignores_box = name in ("without the target's box", "depth-wise correlation")
    assert torch.equal(one.boxes, other.boxes) == ignores_box


def test_the_table_of_ablations_compares_with_the_first_row():
    clips = {"real": {"a": 0.7}, "made": {"b": 0.6, "c": 0.8}}
    worse = {"real": {"a": 0.6}, "made": {"b": 0.5, "c": 0.7}}
    rest = {"parameters": 1.0, "pair_iou": 0.8}
    results = {"one": {**clips, **rest, "ms": 4.0}, "two": {**worse, **rest, "ms": 6.0}}
    *_, first, second = ablations.table(results).splitlines()
    assert first == "| one | 1.000 | 0.800 | 0.700 | 0.700 |  | 4.00 | 1.00 |"
    assert "-0.100 (-0.100 to -0.100) | 6.00 | 1.50 |" in second


def test_the_network_of_a_variant_is_timed():
    pytest.importorskip("openvino")
    variants = {name: ablations.VARIANTS[name] for name in ("as shipped", "search 192")}
    times = ablations.time_variants(variants, PRESETS[DEFAULT_PRESET], frames=1)
    assert list(times) == list(variants)
    assert min(times.values()) > 0
