"""People, riders and animals of MegaGlest."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from autrack_ros.training.pictures.animated.glest import GlestMesh, read_glest
from autrack_ros.training.pictures.animated.surface import Opacity, Surface, Texture, read_texture
from autrack_ros.training.sources import DataError

ANIMALS = {
    "egypt": "chicken ibis scarab snake",
    "indian": "bull thunderbird",
    "magic": "dragon evil_dragon behemoth",
    "norsemen": "cow wild_sow",
    "persian": "elephant sheep",
    "romans": "cow",
    "tech": "cow pig",
}
PEOPLE = {
    "egypt": "anubis_warrior mummy priest slave spearman spearthrower",
    "indian": "archer axe_indian axe_thrower fire_archer horseman shaman spearman stickfighter "
    "worker",
    "magic": "archmage battlemage daemon dragon_rider ghost_armor golem initiate summoner",
    "norsemen": "archer axe_thrower battleaxe battleaxe_berserk cudgel_lady "
    "flying_valkyrie spearman spearman_berserk swordman swordman_berserk thor thrall valkyrie",
    "persian": "fakir genie magician princess stickfighter swordman worker",
    "romans": "archer axe_man cavalry fire_archer general gladiator guard slave spearman swordsman "
    "tribune wartime_mechanic",
    "tech": "archer guard horseman swordman technician worker",
}
MOTIONS = (
    "walk|stand|attack|run|fly|move|harvest|carry|load|work|build|repair|mine|mining|heal|idle"
)
OTHERS = "dead|dying|die|proj|arrow"  # the dead, and what they throw


class MegaGlest:
    """The figures in the game's folder.

    Args:
        folder: ``techs/megapack/factions``.

    Attributes:
        animals: by kind ("glest_norsemen_cow"): that name alone.
        people: likewise.

    Raises:
        DataError: a unit is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._units: dict[str, Path] = {}
        self.animals = self._found(folder, ANIMALS)
        self.people = self._found(folder, PEOPLE)

    def figure(self, name: str, rng: np.random.Generator) -> GlestFigure | None:
        """A unit that does something; None if it has no model that moves.

        Args:
            name: of ``animals`` or ``people``.
            rng: decides what it does.

        Raises:
            DataError: a file is missing or broken.
        """
        models = [
            path
            for path in sorted((self._units[name] / "models").glob("*.g3d"))
            if re.search(MOTIONS, path.stem) and not re.search(OTHERS, path.stem)
        ]
        return GlestFigure(models[rng.integers(len(models))]) if models else None

    def _found(self, folder: Path, units: dict[str, str]) -> dict[str, list[str]]:
        names = []
        for faction, text in units.items():
            for unit in text.split():
                names.append(f"glest_{faction}_{unit}")
                self._units[names[-1]] = folder / faction / "units" / unit
                if not self._units[names[-1]].is_dir():
                    raise DataError(f"MegaGlest: there is no unit {self._units[names[-1]]}")
        return {name: [name] for name in names}


class GlestFigure:
    """A model that shows its animation.

    Args:
        path: of the model; its textures lie beside it.

    Raises:
        DataError: a file is missing or broken.
    """

    def __init__(self, path: Path) -> None:
        meshes = read_glest(_read(path), str(path))
        self._parts = [(mesh, _texture(path, mesh)) for mesh in meshes]

    def pose(self, phase: float) -> list[Surface]:
        """All it shows at a phase of its animation; 0 is the beginning and 1 the end."""
        surfaces = []
        for mesh, texture in self._parts:
            place = (phase % 1) * len(mesh.positions)
            before = int(place) % len(mesh.positions)
            after, share = (before + 1) % len(mesh.positions), np.float32(place - int(place))
            surfaces.append(
                Surface(
                    (1 - share) * mesh.positions[before] + share * mesh.positions[after],
                    (1 - share) * mesh.normals[before] + share * mesh.normals[after],
                    mesh.uv,
                    mesh.triangles,
                    texture,
                    Opacity.TEAM_COLOR if mesh.team_color else Opacity.CUT,
                )
            )
        return surfaces


def _texture(model: Path, mesh: GlestMesh) -> Texture:
    if not mesh.texture:
        color = np.rint(255 * mesh.color.clip(0, 1)).astype(np.uint8)
        return Texture(f"color {color.tolist()}", np.array([[[*color, 255]]], np.uint8))
    path = model.parent / mesh.texture
    return read_texture(_read(path), str(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
