"""The network in FEAR-XS's form, and the weights that a training starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch

from autrack_ros.networks import NETWORKS
from autrack_ros.networks.backbones.fbnet import FBNet
from autrack_ros.networks.fear import WIDTH, FearSiamFCpp
from autrack_ros.tracking.errors import CheckpointError, ConfigurationError
from autrack_ros.tracking.grid import response_grid
from autrack_ros.tracking.runtimes.openvino_runtime import import_openvino
from autrack_ros.training.learning.initial import TYPICAL_DISTANCE, load_initial

FEAR = Path(__file__).parents[3] / "shared/data/peers/fear_xs/fear_search.onnx"
needs_fear = pytest.mark.skipif(not FEAR.is_file(), reason=f"{FEAR} is not here")


def search_crop() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 16, 16, generator=generator) * 255
    return torch.nn.functional.interpolate(coarse, size=(256, 256), mode="bicubic").clamp(0, 255)


def test_the_map_is_that_of_stride_16():
    with torch.inference_mode():
        (coarse,) = FBNet().eval()(search_crop())
    assert coarse.shape == (1, 112, 16, 16)


@pytest.mark.parametrize("first", [0, 1, 8, 9, 12, 17])
def test_layers_can_be_run_in_two_parts(first):
    backbone = FBNet().eval()
    with torch.inference_mode():
        (whole,) = backbone(search_crop())
        maps = backbone.run_layers((search_crop(),), 0, first)
        (parts,) = backbone.run_layers(maps, first, backbone.layer_count)
    assert torch.equal(whole, parts)


@needs_fear
def test_a_cell_sees_what_lies_around_the_point_that_it_stands_for():
    network = FearSiamFCpp(WIDTH).eval()
    load_initial(network, str(FEAR))
    (x, y) = response_grid(16, 16, 256, network.stride, origin=network.origin)[9, 5]
    crop = torch.full((1, 3, 256, 256), 110.0)
    row, column = round(float(y) + 0.5), round(float(x) + 0.5)
    crop[..., row - 2 : row + 3, column - 2 : column + 3] = 255
    with torch.inference_mode():
        blank = network.basemodel(torch.full_like(crop, 110.0))[0]
        change = (network.basemodel(crop)[0] - blank).abs().sum(dim=1)[0]
    assert divmod(int(change.argmax()), 16) == (9, 5)


@needs_fear
def test_the_whole_network_answers_as_the_published_graphs_do():
    openvino = pytest.importorskip("openvino") and import_openvino()
    graphs = [
        openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        for path in (FEAR.with_name("fear_template.onnx"), FEAR)
    ]
    crop = search_crop()
    template = crop[..., 64:192, 64:192].contiguous()
    features = graphs[0]({0: template.flip(1).numpy()})[0]
    found = graphs[1]({"image_rgb": crop.flip(1).numpy(), "template_features": features})

    network = FearSiamFCpp(WIDTH).eval()
    load_initial(network, str(FEAR))
    with torch.inference_mode():
        corners = torch.zeros(1, 4)
        prediction = network.predict(network.template(template, corners), network.search(crop))
    np.testing.assert_allclose(prediction.cls[0], found["cls"][0, 0], atol=2e-3)
    # Its distances are counted from the edge 16 i, ours from the middle of the pixel before it:
    # scaled, so that a distance of TYPICAL_DISTANCE ends in the same place.
    distances = np.moveaxis(found["bbox"][0], 0, -1)
    points = np.stack(np.meshgrid(16.0 * np.arange(16), 16.0 * np.arange(16)), axis=-1)
    edges = np.concatenate((points - distances[..., :2], points + distances[..., 2:]), axis=-1)
    ours = prediction.boxes[0].numpy() + np.array([0, 0, 1, 1])
    moved = 0.5 - 0.5 * distances / TYPICAL_DISTANCE
    np.testing.assert_allclose(np.abs(ours - edges), np.abs(moved), atol=0.05)
    assert (torch.sigmoid(prediction.ctr) == 1).all()


def test_initial_weights_for_another_backbone_are_refused_by_name():
    with pytest.raises(ConfigurationError, match=r"initial = 'imagenet'.*fear_search\.onnx"):
        load_initial(FearSiamFCpp(WIDTH), "imagenet")
    with pytest.raises(ConfigurationError, match=r"initial = 'fear\.onnx'.*section slimming"):
        load_initial(FearSiamFCpp(), "fear.onnx")
    with pytest.raises(ConfigurationError, match=r"initial = 'fear\.onnx'.*'imagenet'"):
        load_initial(NETWORKS["autrack_lite0"](), "fear.onnx")


def test_initial_weights_that_are_missing_or_damaged_are_named(tmp_path):
    pytest.importorskip("onnx")
    network = FearSiamFCpp(WIDTH)
    with pytest.raises(CheckpointError, match=r"gone\.onnx"):
        load_initial(network, str(tmp_path / "gone.onnx"))
    (tmp_path / "torn.onnx").write_bytes(b"\x08\x07\x12 torn")
    with pytest.raises(CheckpointError, match=r"torn\.onnx"):
        load_initial(network, str(tmp_path / "torn.onnx"))


def graph_of(path: Path, shapes: list[tuple[int, ...]]) -> Path:
    """An ONNX file with convolutions of these weights in a row."""
    onnx = pytest.importorskip("onnx")
    nodes, values = [], []
    for number, shape in enumerate(shapes):
        weight, bias = np.zeros(shape, np.float32), np.zeros(shape[0], np.float32)
        for name, value in ((f"w{number}", weight), (f"b{number}", bias)):
            values.append(onnx.numpy_helper.from_array(value, name))
        inputs = [f"x{number}", f"w{number}", f"b{number}"]
        nodes.append(onnx.helper.make_node("Conv", inputs, [f"x{number + 1}"]))
    graph = onnx.helper.make_graph(nodes, "graph", [], [], values)
    onnx.save(onnx.helper.make_model(graph), path)
    return path


def test_initial_weights_of_other_shapes_are_refused_by_layer(tmp_path):
    network = FearSiamFCpp(WIDTH)
    path = graph_of(tmp_path / "short.onnx", [(16, 3, 3, 3)])
    with pytest.raises(CheckpointError, match=r"short\.onnx: 1 convolutions, \d+ are needed"):
        load_initial(network, str(path))
    path = graph_of(tmp_path / "other.onnx", [(16, 3, 3, 3), (16, 1, 5, 5)] + [(1, 1, 1, 1)] * 65)
    with pytest.raises(
        CheckpointError, match=r"convolution 1 \(x2\).*\(16, 1, 5, 5\), \(16, 1, 3, 3\)"
    ):
        load_initial(network, str(path))


def test_the_weights_of_an_earlier_training_are_initial_weights(tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(1)
    trained, fresh = FearSiamFCpp(WIDTH), FearSiamFCpp(WIDTH)
    save_file(trained.state_dict(), tmp_path / "earlier.safetensors")
    load_initial(fresh, str(tmp_path / "earlier.safetensors"))
    for key, value in trained.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value), key
