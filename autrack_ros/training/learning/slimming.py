"""Narrower towers, taught by the network that they are cut out of.

The channels that count most are kept: those whose output is large, and much read by the next layer
(structured pruning, after Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017). Then the
towers learn the responses and boxes of the wide network, and a little from the labels (Hinton et
al., Distilling the Knowledge in a Neural Network, 2015). All that is before them stays.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from autrack_ros.networks.fear import TOWER_CONVS, FearSiamFCpp, pixelwise_correlation
from autrack_ros.networks.siamese import Prediction
from autrack_ros.training.learning.features import FeatureBatch
from autrack_ros.training.pairs.maker import SEARCH_SIZE

OUTPUTS = {"cls": "cls_score_p5", "bbox": "bbox_offsets_p5"}  # what reads each branch's tower
RESPONSE_WEIGHT, BOX_WEIGHT, LABEL_WEIGHT = 10.0, 2.0, 0.3
SQUARE_WEIGHT = 50.0  # of squared differences of class probabilities, beside the cross-entropy


def slimmed(wide: FearSiamFCpp, batch: FeatureBatch, frozen_layers: int) -> FearSiamFCpp:
    """The network with towers of the usual width, cut out of those of a wide one.

    Args:
        wide: with ``tower_width`` of at least that width.
        batch: pairs that show how large the channels are.
        frozen_layers: of the backbone, which the batch has passed.
    """
    slim = FearSiamFCpp()
    slim.load_state_dict(
        {key: value for key, value in wide.state_dict().items() if not key.startswith("head.")},
        strict=False,
    )
    with torch.inference_mode():
        backbone = wide.basemodel
        of_template, of_search = (
            backbone.run_layers(maps, frozen_layers, backbone.layer_count)
            for maps in (batch.template, batch.search)
        )
        template = wide.template_from_features(of_template, batch.template_corners)
        maps = wide.search_from_features(of_search, SEARCH_SIZE).maps
        matched = [torch.cat((x, pixelwise_correlation(x, template[0])), 1) for x in maps]
    with torch.no_grad():
        for (branch, output), values in zip(OUTPUTS.items(), matched, strict=True):
            names = [f"{branch}_p5_conv{index}" for index in range(1, TOWER_CONVS + 1)]
            layers = [wide.head.get_submodule(name) for name in (*names, output)]
            kept = _channels(layers, values, slim.tower_width)
            for index, name in enumerate((*names, output)):
                _copy(layers[index], slim.head.get_submodule(name), kept[index], kept[index + 1])
        slim.head.si.copy_(wide.head.si)
        slim.head.bi.copy_(wide.head.bi)
    return slim.eval()


def distillation_loss(student: Prediction, teacher: Prediction) -> Tensor:
    """How far a student's responses and boxes are from its teacher's; 0 where they are the same.

    Boxes count by the teacher's class probability, in cells of 16 pixels.
    """
    wanted = torch.sigmoid(teacher.cls)
    entropy = binary_cross_entropy_with_logits(teacher.cls, wanted)
    response = binary_cross_entropy_with_logits(student.cls, wanted) - entropy
    response = response + SQUARE_WEIGHT * (torch.sigmoid(student.cls) - wanted).square().mean()
    distance = (wanted[..., None] * (student.boxes - teacher.boxes).abs()).sum()
    box = distance / wanted.sum().clamp(min=1) / FearSiamFCpp.stride
    return RESPONSE_WEIGHT * response + BOX_WEIGHT * box


def _channels(layers: list[nn.Module], values: Tensor, width: int) -> list[Tensor | None]:
    """The channels kept of every layer's input and of the last one's output; None is all."""
    kept: list[Tensor | None] = [None]
    for layer, reader in itertools.pairwise(layers):
        with torch.inference_mode():
            values = layer(values)
        depthwise, pointwise = _convolutions(reader)
        read = pointwise.weight[:, :, 0, 0].norm(dim=0) * depthwise.weight.flatten(1).norm(dim=1)
        size = values.square().mean((0, 2, 3)).sqrt()
        kept.append(torch.topk(read * size, width).indices.sort().values)
    return [*kept, None]


def _copy(wide: nn.Module, slim: nn.Module, inputs: Tensor | None, outputs: Tensor | None) -> None:
    """Copy a separable layer's weights for some of its channels."""
    (depthwise, pointwise), (own_depthwise, own_pointwise) = map(_convolutions, (wide, slim))
    read = slice(None) if inputs is None else inputs
    given = slice(None) if outputs is None else outputs
    own_depthwise.weight.copy_(depthwise.weight[read])
    own_pointwise.weight.copy_(pointwise.weight[:, read][given])
    for bias, own in ((depthwise.bias, own_depthwise.bias), (pointwise.bias, own_pointwise.bias)):
        if bias is not None and own is not None:
            own.copy_(bias[read if bias is depthwise.bias else given])


def _convolutions(layer: nn.Module) -> tuple[nn.Conv2d, nn.Conv2d]:
    depthwise, pointwise = (part for part in layer.modules() if isinstance(part, nn.Conv2d))
    return depthwise, pointwise
