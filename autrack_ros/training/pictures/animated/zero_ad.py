"""People, riders and animals of 0 A.D."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from autrack_ros.training.pictures.animated.actors import Actor, Actors, draw
from autrack_ros.training.pictures.animated.animation import Animation, read_animation
from autrack_ros.training.pictures.animated.archive import Archive
from autrack_ros.training.pictures.animated.mesh import Mesh, read_mesh
from autrack_ros.training.pictures.animated.skeleton import STILL
from autrack_ros.training.pictures.animated.surface import Opacity, Surface, Texture, read_texture
from autrack_ros.training.sources import DataError

STATE = 0.4  # share of figures that do something which no chance draws: gather, build, attack
CACHED_FILES = 400  # of each kind, decoded
MIRROR = np.array([1, 1, -1], np.float32)  # the game's coordinates are left-handed
ENGINES = "siege|scorpio|oxybeles|lithobolos|ballista|polybolos|plane|catafalque"
PARTS = r"_(r|h|d|h\d|r\d)$"  # riders, horses and drivers of a chariot, which carries them
FLOCKS = "circle|shoal|generic"
ANIMAL_UNITS = "mastiff|wolfhound|support_elephant"
MADE_UP = {"arctic_wolf": "wolf"}  # names whose first word is not the kind

File = TypeVar("File")


class ZeroAd:
    """The figures in the game's archive.

    Args:
        archive: ``public.zip``.

    Attributes:
        animals: by kind ("wolf"): actors, files below ``art/actors``.
        people: likewise, by people and role without rank ("spartans_infantry_javelinist").

    Raises:
        DataError: it is missing or broken, or holds no actor.
    """

    def __init__(self, archive: Path) -> None:
        self._archive = Archive(archive)
        self._actors = Actors(self._archive)
        self.animals: dict[str, list[str]] = defaultdict(list)
        self.people: dict[str, list[str]] = defaultdict(list)
        names = [name.removeprefix("art/actors/") for name in sorted(self._archive.names)]
        units = [name for name in names if re.fullmatch(r"units/.*\.xml", name)]
        for name in names:
            stem = PurePosixPath(name).stem
            if re.fullmatch(r"fauna/.*\.xml", name) and not re.search(FLOCKS, stem):
                kind = MADE_UP.get(stem) or re.split("[^a-z]", stem)[0]
                self.animals[kind].append(name)
        worn: set[str] = set().union(*(self._actors.worn(name) for name in units))
        for name in units:
            stem = PurePosixPath(name).stem
            if name in worn or re.search(f"{ENGINES}|{PARTS}", stem):
                continue
            group = self.animals if re.search(ANIMAL_UNITS, stem) else self.people
            group[f"{name.split('/')[1]}_{re.sub('(_[abcde])?(_m)?$', '', stem)}"].append(name)
        if not (self.animals and self.people):
            raise DataError(f"archive {archive}: it lacks actors of animals (fauna) or of units")
        self.mesh = self._cached("art/meshes/{}.cached.pmd", read_mesh)
        self.animation = self._cached("art/animation/{}.cached.psa", read_animation)
        self.texture = self._cached("art/textures/skins/{}.cached.dds", read_texture)
        self.opacity = self._cached("art/materials/{}", _read_opacity)

    def figure(self, name: str, rng: np.random.Generator) -> ActorFigure | None:
        """One form of an actor that does something; None if it cannot move.

        Args:
            name: of ``animals`` or ``people``.
            rng: decides its form and what it does.

        Raises:
            DataError: a file is missing or broken.
        """
        states = self._actors.states(name)
        state = states[rng.integers(len(states))] if states and rng.random() < STATE else ""
        actor = self._actors.choose(name, state, rng)
        motions = [motion for motion in actor.motions() if "promotion" not in motion]
        if not motions:
            return None
        motion = state if state in motions else motions[rng.integers(len(motions))]
        return ActorFigure(self, actor, motion, rng)

    def _cached(self, path: str, read: Callable[[bytes, str], File]) -> Callable[[str], File]:
        """Reads files of a form of name, each once."""

        def from_archive(name: str) -> File:
            file = path.format(name)
            return read(self._archive.read(file), self._archive.where(file))

        return lru_cache(CACHED_FILES)(from_archive)


class ActorFigure:
    """An actor that shows one animation, its props the one of the same name.

    Args:
        game: gives the files.
        actor: one of its forms.
        motion: the name of the animation.
        rng: decides among animations of one name.

    Raises:
        DataError: a file is missing or broken, or an animation is of another skeleton.
    """

    def __init__(self, game: ZeroAd, actor: Actor, motion: str, rng: np.random.Generator) -> None:
        self._mesh: Mesh | None = None
        self._animation: Animation | None = None
        self._props: list[tuple[str, ActorFigure]] = []
        if not actor.mesh or not actor.texture:  # smoke, sparks or a decal on the ground
            return
        self._mesh = game.mesh(actor.mesh)
        self._texture: Texture = game.texture(actor.texture)
        self._opacity: Opacity = game.opacity(actor.material)
        self._color = actor.color
        choices = actor.animations.get(motion) or actor.animations.get("idle")
        if choices and len(self._mesh.rest):
            file = choices[draw([frequency for _, frequency in choices], rng)][0]
            self._animation = game.animation(file)
            bones = self._animation.frames.shape[1]
            if bones != len(self._mesh.rest):
                raise DataError(
                    f"animation {file} has {bones} bones; the mesh {actor.mesh} has "
                    f"{len(self._mesh.rest)}"
                )
        for point, prop in actor.props:
            if point in self._mesh.points or point == "root":
                self._props.append((point, ActorFigure(game, prop, motion, rng)))

    def pose(self, phase: float) -> list[Surface]:
        """All it shows at a phase of its animation; 0 is the beginning and 1 the end."""
        return self._pose(phase, STILL)

    def _pose(self, phase: float, place: np.ndarray) -> list[Surface]:
        if self._mesh is None:
            return []
        mesh = self._mesh
        posed = mesh.rest if self._animation is None else self._animation.pose(phase)
        positions, normals = mesh.bent(posed, place)
        surfaces = [
            Surface(
                positions * MIRROR,
                normals * MIRROR,
                mesh.uv,
                mesh.triangles,
                self._texture,
                self._opacity,
                self._color,
            )
        ]
        bones = place @ np.concatenate([posed, STILL[None]])
        for point, prop in self._props:
            at, bone = mesh.points.get(point, (STILL, len(mesh.rest)))
            surfaces += prop._pose(phase, bones[bone] @ at)
        return surfaces


def _read_opacity(material: bytes, where: str) -> Opacity:
    """What a material says of its texture's opacity."""
    if b"USE_PLAYERCOLOR" in material:
        return Opacity.TEAM_COLOR
    if b"USE_OBJECTCOLOR" in material:
        return Opacity.OWN_COLOR
    return Opacity.CUT if b"USE_TRANSPARENT" in material else Opacity.NONE
