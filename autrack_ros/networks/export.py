"""Networks as graphs of OpenVINO without weights, so that they run without torch.

Weights are inputs of the graphs, as the file has them: batch normalisation is folded inside, and
becomes constants with them (``tracking/graphs``).
"""

from __future__ import annotations

import gzip
import tempfile
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from autrack_ros.networks.fuse import fuse_batch_norm, normalised_convolutions
from autrack_ros.networks.losses import LossTerms, tracking_loss
from autrack_ros.networks.siamese import SearchFeatures, SiameseNetwork
from autrack_ros.tracking.checkpoint import form
from autrack_ros.tracking.graphs import Graphs
from autrack_ros.tracking.grid import response_grid
from autrack_ros.tracking.presets import Preset
from autrack_ros.tracking.runtimes import Runtime
from autrack_ros.tracking.runtimes.openvino_runtime import OpenVINORuntime, import_openvino
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime
from autrack_ros.tracking.targets import Targets, make_targets

if TYPE_CHECKING:
    import openvino
    from torch.export import ExportedProgram

CROPS = 3  # support crops when the graphs are traced: any number but 1

Function = Callable[..., tuple[Tensor, ...]]  # network, inputs -> outputs


class Part(NamedTuple):
    """What is exported as one graph.

    Attributes:
        function: called with a network and the inputs.
        inputs: an example, by name.
        has_gradient: whether the function takes gradients.
    """

    function: Function
    inputs: dict[str, Tensor]
    has_gradient: bool = False


def export_graphs(network: SiameseNetwork, preset: Preset, folder: Path) -> Graphs:
    """Write the graphs of a network.

    Args:
        network: any of its form, with any weights; on the CPU.
        preset: names the sizes of its crops.
        folder: gets the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = preset.settings
    graphs = Graphs(
        folder,
        network.stride,
        network.origin,
        settings.template_size,
        settings.search_size,
        {key: form(value.numpy()) for key, value in network.state_dict().items()},
    )
    for name, part in parts_of(network, preset).items():
        _save(convert(network, part), *graphs.files(name))
    graphs.save()
    return graphs


def _save(model: openvino.Model, form: Path, constants: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        import_openvino().save_model(model, path, compress_to_fp16=False)
        form.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        constants.write_bytes(path.with_suffix(".bin").read_bytes())


def parts_of(network: SiameseNetwork, preset: Preset) -> dict[str, Part]:
    """The graphs of a network, by name, with example inputs."""
    z, x = preset.settings.template_size, preset.settings.search_size
    crop = torch.rand(1, z, z, 3) * 255
    corners = torch.tensor([[0.25 * z, 0.3 * z, 0.75 * z, 0.7 * z]])
    search = torch.randint(0, 256, (CROPS, x, x, 3), dtype=torch.uint8)
    with torch.no_grad():
        features = network.template(_to_input(crop), corners)
        found = network.search(_to_input(search))
        rows, cols = network.predict(features, found).cls.shape[1:]
    one = {f"map{i}": values[:1] for i, values in enumerate(found.maps)}
    all_crops = {f"map{i}": values for i, values in enumerate(found.maps)}
    count = len(found.maps)

    def template(network: SiameseNetwork, crop: Tensor, corners: Tensor) -> tuple[Tensor, ...]:
        return network.template(_to_input(crop), corners)

    def features_of_search(network: SiameseNetwork, crop: Tensor) -> tuple[Tensor, ...]:
        return network.search(_to_input(crop)).maps

    def prediction(network: SiameseNetwork, *inputs: Tensor) -> tuple[Tensor, ...]:
        found = network.predict(inputs[count:], SearchFeatures(inputs[:count], x))
        return (torch.cat((found.score[..., None], found.boxes), dim=-1),)

    def objective(network: SiameseNetwork, crop: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        corners, *maps = inputs[: 1 + count]
        labels, loss = Targets(*inputs[1 + count : -1]), LossTerms(*inputs[-1].unbind())
        z = crop.detach().requires_grad_(True)
        features = network.template(_to_input(z), corners)
        found = network.predict(features, SearchFeatures(tuple(maps), x))
        total = tracking_loss(found, labels, loss).total
        (gradient,) = torch.autograd.grad(total, z)
        return total.detach(), gradient

    labels = {
        "cls": torch.randint(0, 2, (CROPS, rows, cols)).float(),
        "ctr": torch.rand(CROPS, rows, cols),
        "boxes": torch.rand(CROPS, rows, cols, 4) * x,
    }
    of_template = {f"feature{i}": values for i, values in enumerate(features)}
    loss = {"loss": torch.tensor([0.25, 2.0, 1.0, 3.0])}
    known = {"crop": crop, "corners": corners}
    return {
        "template": Part(template, known),
        "search": Part(features_of_search, {"crop": search[:1]}),
        "prediction": Part(prediction, {**one, **of_template}),
        "objective": Part(objective, {**known, **all_crops, **labels, **loss}, True),
    }


def to_openvino(module: nn.Module, inputs: tuple[Tensor, ...]) -> openvino.Model:
    """A frozen module, weights and all, as a model of OpenVINO, for inputs of these shapes."""
    with torch.no_grad():
        program = torch.export.export(module.eval(), inputs)
    examples = {f"input{index}": value for index, value in enumerate(inputs)}
    return _name_inputs(_converted(program), program, examples, ())


def convert(network: SiameseNetwork, part: Part) -> openvino.Model:
    """A part of a network as a graph whose first inputs are the weights it needs."""
    from autrack_ros.networks.gradient import trace_with_gradient  # takes 3 s, of torch's tracer

    fused = fuse_batch_norm(network)
    for module in fused.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # a graph changes nothing
    holder = _Holder(fused, part.function)
    weights = {
        key: value for key, value in network.state_dict().items() if value.is_floating_point()
    }
    pairs = [
        (conv, bn, float(getattr(network.get_submodule(bn), "eps")))  # noqa: B009
        for conv, bn in normalised_convolutions(network)
    ]

    def function(*values: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(weights, values, strict=False))
        folded = fold(given, pairs)
        inputs = values[len(weights) :]
        return functional_call(holder, {f"network.{k}": v for k, v in folded.items()}, inputs)

    examples = {**weights, **part.inputs}
    batches = {name for name in part.inputs if part.has_gradient and name not in FIXED}
    program = trace_with_gradient(function, examples, batches)
    return _name_inputs(_converted(program), program, examples, batches)


def _converted(program: ExportedProgram) -> openvino.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_openvino().convert_model(program)


FIXED = ("crop", "corners", "loss")  # inputs whose batch is 1


def fold(weights: Mapping[str, Tensor], pairs: list[tuple[str, str, float]]) -> dict[str, Tensor]:
    """Weights of the network without batch normalisation (``fuse_batch_norm``)."""
    folded = dict(weights)
    for conv, bn, eps in pairs:
        weight, shift, mean, variance = (
            folded.pop(f"{bn}.{name}") for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / torch.sqrt(variance + eps)
        bias = folded.get(f"{conv}.bias", torch.zeros_like(mean))
        folded[f"{conv}.weight"] = folded[f"{conv}.weight"] * scale[:, None, None, None]
        folded[f"{conv}.bias"] = (bias - mean) * scale + shift
    return folded


def compare(network: SiameseNetwork, preset: Preset, graphs: Graphs) -> dict[str, float]:
    """By how much what the graphs compute differs from torch, with the weights of a network.

    Returns:
        for each graph the root mean square of the differences, in shares of that of the values.
    """
    weights = {key: value.cpu().numpy() for key, value in network.state_dict().items()}
    of_torch = TorchRuntime(network, preset)
    of_openvino = OpenVINORuntime(graphs, weights)
    z, x = graphs.template_size, graphs.search_size
    random = np.random.default_rng(0)
    coarse = random.uniform(0, 255, (CROPS + 1, 16, 16, 3))
    crop = cv2.resize(coarse[0], (z, z), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    crops = np.stack([cv2.resize(image, (x, x)) for image in coarse[1:]]).astype(np.uint8)
    corners = np.array([0.25, 0.3, 0.75, 0.7], np.float32) * z
    boxes = np.array([[0.4, 0.3, 0.6, 0.7]], np.float32).repeat(CROPS, axis=0) * x
    points = response_grid(*of_torch.response_shape, x, graphs.stride, graphs.origin)
    targets = make_targets(boxes, points)

    def outputs(runtime: Runtime) -> dict[str, list[np.ndarray]]:
        features = runtime.template(crop, corners)
        support = runtime.support(crops)
        maps = support.maps if isinstance(support, SearchFeatures) else support
        seen = runtime.predict(crops, [[features]] * CROPS)
        objective = runtime.objective(corners, support, targets, preset.loss)
        return {
            "template": list(features),
            "search": [np.asarray(values) for values in maps],
            "prediction": [
                np.stack([part.score for (part,) in seen]),
                np.stack([part.corners for (part,) in seen]),
            ],
            "objective": [np.asarray(value) for value in objective(crop)],
        }

    expected, found = outputs(of_torch), outputs(of_openvino)
    return {
        name: max(
            float(np.linalg.norm(a - b) / np.linalg.norm(a))
            for a, b in zip(values, found[name], strict=True)
        )
        for name, values in expected.items()
    }


class _Holder(nn.Module):
    """A function of a network as a module that ``functional_call`` can fill."""

    def __init__(self, network: nn.Module, function: Function) -> None:
        super().__init__()
        self.network = network
        self.function = function

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self.function(self.network, *inputs)


def _name_inputs(
    model: openvino.Model,
    program: ExportedProgram,
    examples: Mapping[str, Tensor],
    batches: Collection[str],
) -> openvino.Model:
    """Name the inputs, say their shapes, and remove those that nothing uses."""
    names = dict(zip(program.graph_signature.user_inputs, examples, strict=True))
    for parameter in model.get_parameters():
        name = names[parameter.get_friendly_name()]
        if not parameter.output(0).get_target_inputs():
            model.remove_parameter(parameter)
            continue
        parameter.set_friendly_name(name)
        parameter.output(0).get_tensor().set_names({name})
        shape = list(examples[name].shape)
        parameter.set_partial_shape(
            import_openvino().PartialShape([-1, *shape[1:]] if name in batches else shape)
        )
    model.validate_nodes_and_infer_types()
    return model


def _to_input(crops: Tensor) -> Tensor:
    return crops.permute(0, 3, 1, 2).float()
