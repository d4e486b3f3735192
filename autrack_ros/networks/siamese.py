"""The form of every network: template -> features, search -> features, both -> prediction.

Splitting a frame this way lets the tracker compute the template once, and lets the template
adaptation compute everything that does not depend on the template once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn


class SearchFeatures(NamedTuple):
    """What a prediction needs to know of a search region."""

    maps: tuple[torch.Tensor, ...]  # each (B, C, H, W)
    size: int  # side of the search region, pixels; places the response map in it


class Prediction(NamedTuple):
    """Dense prediction of a batch of search regions, one value per cell of the response map."""

    cls: torch.Tensor  # (B, H, W) logit of "this cell lies on the target"
    ctr: torch.Tensor  # (B, H, W) logit of centre-ness
    boxes: torch.Tensor  # (B, H, W, 4) inclusive corners x0, y0, x1, y1, search-region pixels

    @property
    def score(self) -> torch.Tensor:
        """(B, H, W), 0..1: class probability times centre-ness."""
        return torch.sigmoid(self.cls) * torch.sigmoid(self.ctr)


BackboneFeatures = Any  # one map, or a tuple of maps: each network knows its own backbone


class SiameseNetwork(nn.Module):
    """Base of the networks. Inputs are Bx3xHxW float32 BGR, 0..255, H = W."""

    stride: int
    origin: float | None = None  # place of the first cell, search-region pixels; None: centred map
    basemodel: nn.Module

    def template(self, z: torch.Tensor, corners: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Template features of crops ``z``; batch 1 serves search batches of any size.

        Args:
            z: template crops.
            corners: (B, 4) inclusive corners of the target in each crop, pixels. Networks of the
                original design do not look at them.
        """
        return self.template_from_features(self.basemodel(z), corners)

    def search(self, x: torch.Tensor) -> SearchFeatures:
        """Search features of crops ``x``."""
        return self.search_from_features(self.basemodel(x), size=x.shape[-1])

    def template_from_features(
        self, features: BackboneFeatures, corners: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Template features from those of the backbone."""
        raise NotImplementedError

    def search_from_features(self, features: BackboneFeatures, size: int) -> SearchFeatures:
        """Search features from those of the backbone."""
        raise NotImplementedError

    def predict(self, template: tuple[torch.Tensor, ...], search: SearchFeatures) -> Prediction:
        """Match a template with search regions."""
        raise NotImplementedError
