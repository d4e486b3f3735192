"""The dense box head of SiamFC++ (video_analyst, model/task_head/taskhead_impl/track_head.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from autrack_ros.networks.layers import conv_bn_relu
from autrack_ros.networks.siamese import Prediction
from autrack_ros.tracking.grid import grid_offset

TowerBlock = Callable[[int, int, bool], nn.Module]  # (in channels, out channels, batch norm)
OutputBlock = Callable[[int, int], nn.Module]  # (in channels, out channels)
CERTAIN = 20.0  # a logit of 1, to the rounding of float32


def plain_block(in_channels: int, out_channels: int, bn: bool) -> nn.Module:
    """A tower layer of the official head: 3x3 convolution without padding, ReLU."""
    return conv_bn_relu(in_channels, out_channels, 3, bn=bn)


def plain_output(in_channels: int, out_channels: int) -> nn.Module:
    """An output layer of the official head: 1x1 convolution with batch normalisation."""
    return conv_bn_relu(in_channels, out_channels, 1, relu=False)


class DenseboxHead(nn.Module):
    """Class, centre-ness and box offsets for every cell of two correlation maps.

    Args:
        in_channels: channels of each correlation map.
        width: channels of the towers.
        tower_bn: one entry per tower layer: whether it has batch norm.
        stride: search-region pixels per cell.
        block: builds one tower layer.
        output: builds the layers that read off class, centre-ness and offsets.
        origin: see ``grid_offset``.
        centerness: whether there is a centre-ness; where there is none it is given as 1.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        tower_bn: Sequence[bool],
        stride: int,
        block: TowerBlock = plain_block,
        output: OutputBlock = plain_output,
        origin: float | None = None,
        centerness: bool = True,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.origin = origin
        self.num_convs = len(tower_bn)
        for branch in ("cls", "bbox"):
            for index, bn in enumerate(tower_bn):
                layer = block(in_channels if index == 0 else width, width, bn)
                self.add_module(f"{branch}_p5_conv{index + 1}", layer)
        self.cls_score_p5 = output(width, 1)
        self.ctr_score_p5 = output(width, 1) if centerness else None
        self.bbox_offsets_p5 = output(width, 4)
        self.si = nn.Parameter(torch.ones(()))
        self.bi = nn.Parameter(torch.zeros(()))

    def forward(self, cls_map: torch.Tensor, reg_map: torch.Tensor, search_size: int) -> Prediction:
        """Two (B, C, H, W) correlation maps -> prediction over the map the towers leave."""
        for index in range(1, self.num_convs + 1):
            cls_map = self.get_submodule(f"cls_p5_conv{index}")(cls_map)
            reg_map = self.get_submodule(f"bbox_p5_conv{index}")(reg_map)
        raw = self.bbox_offsets_p5(reg_map).permute(0, 2, 3, 1)
        left_top, right_bottom = (torch.exp(self.si * raw + self.bi) * self.stride).split(2, dim=-1)
        rows, cols = raw.shape[1:3]
        x, y = (
            torch.arange(cells, device=raw.device) * self.stride
            + grid_offset(cells, search_size, self.stride, self.origin)
            for cells in (cols, rows)
        )
        points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).float()
        cls = self.cls_score_p5(cls_map)[:, 0]
        return Prediction(
            cls=cls,
            ctr=torch.full_like(cls, CERTAIN)
            if self.ctr_score_p5 is None
            else self.ctr_score_p5(cls_map)[:, 0],
            boxes=torch.cat((points - left_top, points + right_bottom), dim=-1),
        )
