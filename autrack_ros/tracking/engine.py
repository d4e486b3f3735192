"""The network at work: it starts targets, adapts their templates and finds many in one batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autrack_ros.tracking.adaptation import AdaptationReport, AdaptationSettings, adapt_template
from autrack_ros.tracking.boxes import Box, validate_box
from autrack_ros.tracking.calibration import Calibration
from autrack_ros.tracking.confidence import measure_response
from autrack_ros.tracking.crops import (
    CropGeometry,
    context_side,
    crop,
    edge_map,
    mean_color,
    validate_image,
)
from autrack_ros.tracking.discriminant import EVIDENCE, Discriminant, at_boxes, measure, preference
from autrack_ros.tracking.grid import grid_offset, response_grid
from autrack_ros.tracking.hypotheses import between
from autrack_ros.tracking.likeness import Evidence, likeness
from autrack_ros.tracking.postprocess import cosine_window, select
from autrack_ros.tracking.presets import Preset
from autrack_ros.tracking.runtimes import Prediction, Runtime, Support
from autrack_ros.tracking.target import Target
from autrack_ros.tracking.targets import Targets, make_targets


@dataclass(frozen=True, slots=True)
class TrackResult:
    """One frame's result; affine maps are float64 2x3, the image in edge coordinates (boxes.py)."""

    box: Box
    score: float  # 0..1: probability that the overlap with the target is above 0.5, see Tracker
    response: np.ndarray  # (rows, cols) float32, 0..1: the score of every cell, before the window
    response_to_image: np.ndarray  # (column, row) of a cell -> its centre in the image
    search: np.ndarray  # size x size x 3 uint8 BGR: the search region the network saw
    search_to_image: np.ndarray  # edge coordinates of the search region -> image
    peak: float  # these three: what the response shows besides the box, see confidence.py
    second_peak: float
    sharpness: float
    look_alike: Box | None = None  # another thing in the search region that looks like the target
    features: np.ndarray | None = None  # (C, rows, cols) float32, of the cells; see Prediction


class TrackingEngine:
    """Computes; what it is told of targets it is given every time.

    ``follow`` and ``discriminant`` are for one thread at a time. ``start`` and ``adapt`` may run in
    others meanwhile.

    Args:
        runtime: the network with its weights.
        preset: its settings and losses.
        calibration: from the chosen cell's response to the probability that its box overlaps the
            target by more than 0.5, fitted to the weights. Without it the response, class
            probability times centre-ness, is given as the score.
        evidence: what score and likeness say together, fitted to the weights. Without it targets
            are not compared with what they looked like first.
    """

    def __init__(
        self,
        runtime: Runtime,
        preset: Preset,
        calibration: Calibration | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self.runtime = runtime
        self.calibration = calibration
        self.evidence = evidence
        self.preset = preset
        self.settings = preset.settings
        self._window = cosine_window(*runtime.response_shape)

    def start(self, image: np.ndarray, box: Box) -> Target:
        """A target with its template as it is cut.

        Args:
            image: HxWx3 uint8 BGR.
            box: the target, edge coordinates.

        Raises:
            InvalidImageError, InvalidBoxError: nothing can be cut.
        """
        validate_image(image)
        height, width = image.shape[:2]
        validate_box(box, width, height)
        padding = mean_color(image)
        template, corners = self._cut_template(image, box, padding)
        features = self.runtime.template(template, corners)
        return Target(
            center=box.pixel_center,
            size=(box.w, box.h),
            padding=padding,
            image_shape=image.shape,
            first_box=box,
            template=template,
            template_corners=corners,
            adapted_template=template,
            hypotheses=(features,),
            first_features=features,
        )

    def adapt(
        self,
        image: np.ndarray,
        target: Target,
        settings: AdaptationSettings,
        should_cancel: Callable[[], bool] = lambda: False,
    ) -> tuple[Target, AdaptationReport]:
        """Adapt a target's template to the image it was started in.

        Args:
            image: that of ``start``.
            target: stays as it is.
            settings: of the adaptation.
            should_cancel: asked before every step; once true, the best template so far is kept.

        On a GPU whose memory is full, fewer crops are taken, and in the end none: the report tells.

        Returns:
            the target with the adapted template, where ``target`` is, and what was done.
        """
        box = target.first_box
        if not settings.enabled:
            return target, AdaptationReport.skipped(settings.method, "disabled")
        if min(box.w, box.h) < settings.min_target_side:
            return target, AdaptationReport.skipped(settings.method, "target_too_small")
        crops = settings.support_crops
        while crops > 0:
            try:
                tried = replace(settings, support_crops=crops)
                return self._adapt(image, target, tried, should_cancel)
            except self.runtime.memory_errors:
                crops //= 2
            # Here, where the error and what it held are gone.
            self.runtime.free_memory()
        return target, AdaptationReport.skipped(settings.method, "out_of_memory")

    def _adapt(
        self,
        image: np.ndarray,
        target: Target,
        settings: AdaptationSettings,
        should_cancel: Callable[[], bool],
    ) -> tuple[Target, AdaptationReport]:
        corners = target.template_corners
        support, targets = self.support(image, target, settings)
        loss = settings.loss_settings(self.preset.loss)
        objective = self.runtime.objective(corners, support, targets, loss)
        adapted, report = adapt_template(objective, target.template, settings, should_cancel)
        if adapted is target.template:  # no step was better: nothing to search with beside it
            return target, report
        features = self.runtime.template(adapted, corners)
        return target.with_template(adapted, features, settings.hypotheses), report

    def support(
        self, image: np.ndarray, target: Target, settings: AdaptationSettings
    ) -> tuple[Support, Targets]:
        """What is known of a target from its first image, to learn from.

        Args:
            image: that of ``start``.
            target: as it was started.
            settings: number, shifts and scales of the crops.

        Returns:
            features of the support crops, and their labels.
        """
        crops, boxes = self.support_crops(image, target, settings)
        return self.runtime.support(crops), self._targets(boxes)

    def support_crops(
        self, image: np.ndarray, target: Target, settings: AdaptationSettings
    ) -> tuple[np.ndarray, np.ndarray]:
        """Search regions around ``first_box``: the centred one, then shifted and scaled ones.

        Args:
            image: HxWx3 uint8 BGR.
            target: gives box and padding.
            settings: number, shifts and scales of the crops.

        Returns:
            B x S x S x 3 uint8 crops, and the inclusive corners of the box in each, (B, 4) float32.
        """
        windows = self._support_windows(target.first_box, settings)
        crops = np.stack([crop(image, window, target.padding) for window in windows])
        return crops, _corners([window.to_crop(target.first_box) for window in windows])

    def follow(
        self, image: np.ndarray, targets: Sequence[Target]
    ) -> list[tuple[Target, TrackResult]]:
        """Find targets in the next image, all in one batch.

        Args:
            image: HxWx3 uint8 BGR, of the size of the image that each was started in.
            targets: any number.

        Returns:
            each target where it is now, and the result, in the order given.

        Raises:
            InvalidImageError: not such an image.
        """
        validate_image(image)
        for target in targets:
            target.check_size(image)
        if not targets:
            return []
        windows = [self._search_geometry(target.center, target.size) for target in targets]
        searches = np.stack(
            [
                crop(image, window, target.padding)
                for window, target in zip(windows, targets, strict=True)
            ]
        )
        predictions = self.runtime.predict(searches, [target.hypotheses for target in targets])
        return [
            self._advance(target, window, search, seen)
            for target, window, search, seen in zip(
                targets, windows, searches, predictions, strict=True
            )
        ]

    def likeness(self, image: np.ndarray, target: Target) -> float:
        """How much what is where a target is looks like the target in its first image; -1..1.

        Args:
            image: HxWx3 uint8 BGR.
            target: where it may be.
        """
        template, corners = self._cut_template(image, target.box, target.padding)
        return likeness(target.first_features, self.runtime.template(template, corners))

    def discriminant(self, image: np.ndarray, target: Target) -> Discriminant | None:
        """What tells a target from what is beside it in the image that it was started in.

        Args:
            image: HxWx3 uint8 BGR, that of ``start``.
            target: as it was started.

        Returns:
            None where the network's features do not lie on the cells of its response map, or the
            region shows nothing but the target.
        """
        box = target.first_box
        window = self._search_geometry(box.pixel_center, (box.w, box.h))
        region = crop(image, window, target.padding)
        ((seen,),) = self.runtime.predict(region[None], [[target.first_features]])
        if seen.features is None:
            return None
        first = measure(seen.features, self._response_to_image(window), box)
        return None if first is None else Discriminant(first)

    def search_sides(self, target: Target) -> tuple[float, float]:
        """Width and height of the region a target is searched in, image pixels."""
        return self._search_geometry(target.center, target.size).sides

    def _advance(
        self,
        target: Target,
        geometry: CropGeometry,
        search: np.ndarray,
        seen: Sequence[Prediction],
    ) -> tuple[Target, TrackResult]:
        """From the predictions for its search region, one a template, to the target's new place."""
        learnt, features = target.discriminant, seen[0].features  # those of all: of the region
        known = None if learnt is None or features is None else learnt(features)
        (moved, score), *others = [self._locate(target, geometry, each, known) for each in seen]
        response, box = seen[0].score, moved.box
        shape = measure_response(response, seen[0].corners, geometry.to_crop(box))
        for other, other_score in others:
            box = between(box, other.box, score, other_score)
        return moved, TrackResult(
            box=box,
            score=score,
            response=response,
            response_to_image=self._response_to_image(geometry),
            search=search,
            search_to_image=edge_map(geometry.crop_to_image),
            peak=shape.peak,
            second_peak=shape.second_peak,
            sharpness=shape.sharpness,
            look_alike=geometry.to_image(shape.look_alike) if shape.look_alike else None,
            features=features,
        )

    def _locate(
        self,
        target: Target,
        geometry: CropGeometry,
        prediction: Prediction,
        known: np.ndarray | None,
    ) -> tuple[Target, float]:
        """The target where one of its templates sees it, and the score.

        ``known`` is what its discriminant says of the cells; None where nothing is learnt.
        """
        if known is not None:
            known = self._at_boxes(known, prediction)
        selection = select(
            prediction.score if known is None else prediction.score * preference(known),
            prediction.corners,
            (target.size[0] * geometry.scale[0], target.size[1] * geometry.scale[1]),
            self._window,
            self.settings,
        )
        found = geometry.to_image(Box.from_pixel_center(*selection.center, *selection.size))
        rate = selection.penalty * selection.score * self.settings.test_lr
        height, width = target.image_shape[:2]
        center = (_clamp(found.pixel_center[0], 0, width), _clamp(found.pixel_center[1], 0, height))
        min_side = self.settings.min_side
        size = (
            _clamp(target.size[0] * (1 - rate) + found.w * rate, min_side, width),
            _clamp(target.size[1] * (1 - rate) + found.h * rate, min_side, height),
        )
        score = float(prediction.score.ravel()[selection.cell])
        if self.calibration:
            score = self.calibration(score)
        if known is not None:
            score = EVIDENCE(score, float(known.ravel()[selection.cell]))
        return replace(target, center=center, size=size), score

    def _at_boxes(self, known: np.ndarray, prediction: Prediction) -> np.ndarray:
        stride, size, origin = self.runtime.stride, self.settings.search_size, self.runtime.origin
        offset = grid_offset(known.shape[1], size, stride, origin)
        return at_boxes(known, prediction.corners, stride, offset)

    def _support_windows(self, box: Box, settings: AdaptationSettings) -> list[CropGeometry]:
        centered = self._search_geometry(box.pixel_center, (box.w, box.h))
        generator = np.random.default_rng(settings.seed)
        windows = [centered]
        for _ in range(settings.support_crops - 1):
            shift_x, shift_y = generator.uniform(-1, 1, 2) * settings.support_shift
            zoom = math.exp(generator.uniform(-1, 1) * settings.support_scale)
            (x, y), (across, down) = centered.center, centered.sides
            center = (x + shift_x * across, y + shift_y * down)
            windows.append(replace(centered, center=center, sides=(across * zoom, down * zoom)))
        return windows

    def _targets(self, corners: np.ndarray) -> Targets:
        """Labels of search regions with the target at these corners (B, 4) of the crop."""
        runtime, size = self.runtime, self.settings.search_size
        points = response_grid(*runtime.response_shape, size, runtime.stride, runtime.origin)
        return make_targets(corners, points)

    def _cut_template(
        self, image: np.ndarray, box: Box, padding: tuple[float, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The template of a box, S x S x 3 float32, and the box's corners in it, (4,) float32."""
        size = self.settings.template_size
        geometry = self._geometry(box.pixel_center, (box.w, box.h), 0, size)
        (corners,) = _corners([geometry.to_crop(box)])
        return crop(image, geometry, padding).astype(np.float32), corners

    def _search_geometry(
        self, center: tuple[float, float], size: tuple[float, float]
    ) -> CropGeometry:
        return self._geometry(center, size, 1, self.settings.search_size)

    def _geometry(
        self, center: tuple[float, float], size: tuple[float, float], which: int, pixels: int
    ) -> CropGeometry:
        """The window of a target's template (``which`` 0) or search region (1)."""
        settings = self.settings
        if settings.box_windows:
            sides = settings.box_windows[which]
            return CropGeometry(center, (size[0] * sides, size[1] * sides), pixels)
        side = context_side(*size, settings.context_amount) * (pixels / settings.template_size)
        return CropGeometry.square(center, side, pixels, settings.corner_aligned)

    def _response_to_image(self, geometry: CropGeometry) -> np.ndarray:
        rows, cols = self.runtime.response_shape
        stride, size, origin = self.runtime.stride, geometry.size, self.runtime.origin
        to_crop = np.array(
            [
                [stride, 0, grid_offset(cols, size, stride, origin)],
                [0, stride, grid_offset(rows, size, stride, origin)],
                [0, 0, 1],
            ]
        )
        to_image = geometry.crop_to_image @ to_crop
        to_image[:, 2] += 0.5  # pixel-centre to edge coordinates
        return to_image


def _corners(boxes: Sequence[Box]) -> np.ndarray:
    """Inclusive corners of boxes, (B, 4) float32 whatever kind of number the boxes hold."""
    return np.array([box.corners for box in boxes], np.float32)


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
