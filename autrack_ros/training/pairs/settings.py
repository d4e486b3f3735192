"""What training pairs look like: the section ``pairs`` of a training configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from autrack_ros.tracking.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class PairSettings:
    """What pairs look like. Shares are 0..1 of all pairs, ranges symmetric about no change."""

    seed: int = 0
    source_weights: dict[str, float] = field(default_factory=dict)  # none: all sources alike
    max_gap: int = 40  # views of an object between template and search
    negative_share: float = 0.15  # the search region lacks the target
    thin_share: float = 0.2  # both crops stretched alike
    turn_share: float = 0.15  # width / height changes as of an object that turns
    flip: float = 0.08  # search mirrored against the template
    new_background: float = 0.15  # object cut out of its picture and put before another one
    surroundings: float = 0.4  # another picture where the search region leaves its own
    distractor: float = 0.35  # another object beside the target, sometimes two
    lookalike: float = 0.1  # another object of the same label in the size of the target
    occluder: float = 0.2  # something before part of the target
    shift: float = 0.25  # largest shift of the target, fraction of the search side, each axis
    scale: float = 0.3  # largest |log| of the search scale
    rotation: float = 15.0  # largest rotation between template and search, degrees
    window_aspect: float = 0.25  # largest |log| of width / height of a box window against the box
    aspect: float = 0.15  # largest |log| change of width / height
    turn_aspect: float = 0.45  # the same of objects that turn
    stretch: float = 0.7  # largest |log| change of width / height of both crops alike
    light: float = 0.7  # brightness, colours and contrast changed, of both alike and of each
    dark: float = 0.08  # much less (seldom more) light
    grey: float = 0.06  # both crops without colours
    shadow: float = 0.1  # uneven light on the search region
    blur: float = 0.15  # out of focus
    motion: float = 0.2  # moved while the shutter was open
    low_resolution: float = 0.2
    noise: float = 0.25
    jpeg: float = 0.3

    def __post_init__(self) -> None:
        shares = """negative_share thin_share turn_share flip new_background surroundings distractor
            lookalike occluder light dark grey shadow blur motion low_resolution noise jpeg"""
        for name in shares.split():
            self._check(name, 0, 1)
        self._check("shift", 0, 0.5)
        for name in ("scale", "window_aspect", "aspect", "turn_aspect", "stretch"):
            self._check(name, 0, 1)
        self._check("rotation", 0, 45)
        if not (isinstance(self.max_gap, int) and self.max_gap >= 0):
            raise ConfigurationError(f"pairs.max_gap = {self.max_gap}: must be a whole number >= 0")
        if not (isinstance(self.seed, int) and self.seed >= 0):
            raise ConfigurationError(f"pairs.seed = {self.seed}: must be a whole number >= 0")
        weights = self.source_weights.values()
        if self.source_weights and (min(weights) < 0 or sum(weights) <= 0):
            raise ConfigurationError(
                f"pairs.source_weights = {self.source_weights}: no weight below 0, one above 0"
            )

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not (isinstance(value, int | float) and low <= value <= high):
            raise ConfigurationError(f"pairs.{name} = {value}: must be {low}..{high}")
