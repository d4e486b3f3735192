"""Decides which figures are shown, and writes their cut-outs."""

from __future__ import annotations

import math
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from autrack_ros.training.pictures.animated.mega_glest import MegaGlest
from autrack_ros.training.pictures.animated.renderer import Renderer
from autrack_ros.training.pictures.animated.scene import plan_scene, shoot
from autrack_ros.training.pictures.animated.surface import Figure
from autrack_ros.training.pictures.animated.zero_ad import ZeroAd
from autrack_ros.training.pictures.models.catalogue import file_name
from autrack_ros.training.pictures.views import is_clear
from autrack_ros.training.sources import DataError

OBJECTS = 4200  # planned; some prove to be still or thin
ANIMALS = 0.4  # share of them
VIEWS = 12  # of each
REPORT_EVERY = 100  # objects


class Game(Protocol):
    """Figures of a game: by kind, their names."""

    animals: dict[str, list[str]]
    people: dict[str, list[str]]

    def figure(self, name: str, rng: np.random.Generator) -> Figure | None:
        """A figure of that name; None if it cannot move."""
        ...


@dataclass(frozen=True, slots=True)
class Planned:
    """An object that shall be made: ``name`` of ``game``, in the folder ``kind/object``."""

    kind: str
    object: str
    game: Game
    name: str


def make_cutouts(
    archive: Path,
    factions: Path,
    output: Path,
    report: Callable[[str], None],
    objects: int = OBJECTS,
) -> Counter[str]:
    """Render people, riders and animals; what is there already is left as it is.

    Args:
        archive: ``public.zip`` of 0 A.D.
        factions: ``techs/megapack/factions`` of MegaGlest.
        output: gets ``<kind>/<object>/view_00.png`` and so on, in order of time.
        report: called with a line on how far it is, and on what is broken.
        objects: about how many.

    Returns:
        How many objects were rendered, there before, and left out for which reason.

    Raises:
        DataError: a game's files are missing or broken, or moderngl or EGL is.
    """
    chosen = plan([ZeroAd(archive), MegaGlest(factions)], objects)
    results: Counter[str] = Counter()
    with Renderer() as renderer:
        for number, planned in enumerate(chosen, 1):
            try:
                results[_make(planned, output, renderer)] += 1
            except DataError as error:
                results["broken"] += 1
                report(f"{planned.object} is left out: {error}")
            if number % REPORT_EVERY == 0 or number == len(chosen):
                report(f"{number} of {len(chosen)} objects")
    if not results["rendered"] + results["there"]:
        raise DataError(f"animated cut-outs: none could be made ({dict(results)})")
    return results


def plan(games: Sequence[Game], objects: int) -> list[Planned]:
    """About so many objects in random order, always the same.

    A kind of n actors has a share of sqrt(n), so that horses and swordsmen are not most of it.
    """
    planned = []
    share = {"animals": ANIMALS, "people": 1 - ANIMALS}
    for group in share:
        kinds = [(game, kind) for game in games for kind in getattr(game, group)]
        roots = [math.sqrt(len(getattr(game, group)[kind])) for game, kind in kinds]
        for (game, kind), root in zip(kinds, roots, strict=True):
            names = getattr(game, group)[kind]
            for number in range(round(objects * share[group] * root / sum(roots))):
                name = names[number % len(names)]
                stem = file_name(name.removesuffix(".xml").split("/", 1)[-1])
                planned.append(Planned(kind, f"{stem}_{number:03d}", game, name))
    return [planned[index] for index in np.random.default_rng(0).permutation(len(planned))]


def _make(planned: Planned, output: Path, renderer: Renderer) -> str:
    """Write the views of an object; "rendered", "there" or why it was left out."""
    folder = output / planned.kind / planned.object
    if folder.exists():
        return "there"
    rng = np.random.default_rng(zlib.crc32(planned.object.encode()))
    figure = planned.game.figure(planned.name, rng)
    if figure is None:
        return "still"
    views = shoot(figure, plan_scene(VIEWS, rng), renderer)
    if not all(is_clear(view) for view in views):
        return "thin"
    unfinished = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for number, view in enumerate(views):
        file = unfinished / f"view_{number:02d}.png"
        if not cv2.imwrite(str(file), view, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
            raise OSError(f"cannot write {file}")
    unfinished.rename(folder)
    return "rendered"
