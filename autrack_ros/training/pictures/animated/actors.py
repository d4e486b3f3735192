"""Actors of 0 A.D.: which mesh, texture, animations and props make up a person or an animal."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from autrack_ros.training.pictures.animated.archive import Archive
from autrack_ros.training.sources import DataError

COLOR = re.compile(r"\s*\d{1,3}\s+\d{1,3}\s+\d{1,3}\s*")
MAX_DEPTH = 8  # of props on props, and of variants made of variants
DEATH = "death"  # in the names of variants and animations; who falls sinks into the ground


@dataclass(slots=True)
class Actor:
    """One of the many forms of an actor.

    Attributes:
        mesh: file below ``art/meshes``; empty if it shows none.
        texture: file below ``art/textures/skins`` with its colours; empty if it has none.
        color: RGB, 0 to 1, of its hair or the like; white if nothing is said.
        material: file below ``art/materials``: what the texture's opacity means.
        animations: by name in small letters ("walk"): files below ``art/animation``, and how often
            each is shown.
        props: what it wears and carries: the point where it hangs, and which.
    """

    mesh: str = ""
    texture: str = ""
    color: tuple[float, ...] = (1, 1, 1)
    material: str = "default.xml"
    animations: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    props: list[tuple[str, Actor]] = field(default_factory=list)

    def motions(self) -> list[str]:
        """Names of its animations in which it lives, in order."""
        return sorted(name for name in self.animations if DEATH not in name)


class Actors:
    """The actors of an archive.

    Args:
        archive: of the game's data.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._parse = lru_cache(maxsize=None)(self._parsed)

    def choose(self, name: str, state: str, rng: np.random.Generator, depth: int = 0) -> Actor:
        """Draw one form of an actor and of all that it wears and carries.

        Args:
            name: file below ``art/actors``.
            state: what it does ("gather_tree"): variants of that name are taken wherever there are
                some. May be empty.
            rng: draws one variant of every other group, by their frequencies.
            depth: how many others carry it; those too deep carry nothing.

        Raises:
            DataError: a file is missing or no such XML.
        """
        root = self._parse(f"art/actors/{name}")
        actor = Actor(material=(root.findtext("material") or "default.xml").strip())
        worn: dict[str, list[str]] = {}
        for group in root.findall("group"):
            variants = group.findall("variant")
            if variants:
                for variant in self._inherited(self._draw(variants, state, rng)):
                    _apply(variant, actor, worn)
        for point, props in worn.items():
            for prop in props if depth < MAX_DEPTH else ():
                actor.props.append((point, self.choose(prop, state, rng, depth + 1)))
        return actor

    def states(self, name: str) -> list[str]:
        """Names of the variants that are never drawn by chance, in small letters and in order.

        Raises:
            DataError: a file is missing or no such XML.
        """
        variants = self._parse(f"art/actors/{name}").iterfind("group/variant")
        names = {self._name(variant) for variant in variants if not _number(variant, 0)}
        return sorted(state for state in names if state and DEATH not in state)

    def worn(self, name: str) -> set[str]:
        """All actors, files below ``art/actors``, that one may wear or carry itself.

        Raises:
            DataError: a file is missing or no such XML.
        """
        props = self._parse(f"art/actors/{name}").iter("prop")
        return {prop.get("actor", "") for prop in props} - {""}

    def _draw(
        self, variants: list[ElementTree.Element], state: str, rng: np.random.Generator
    ) -> ElementTree.Element:
        named = [variant for variant in variants if state and self._name(variant) == state]
        if named:
            return named[0]
        alive = [variant for variant in variants if DEATH not in self._name(variant)]
        variants = alive or variants
        return variants[draw([_number(variant, 0) for variant in variants], rng)]

    def _name(self, variant: ElementTree.Element) -> str:
        names = [part.get("name", "").lower() for part in self._inherited(variant)]
        return next((name for name in reversed(names) if name), "")

    def _inherited(self, variant: ElementTree.Element) -> list[ElementTree.Element]:
        """The variants that one is made of, the most general first."""
        chain = [variant]
        while file := chain[-1].get("file"):
            if len(chain) > MAX_DEPTH:
                raise DataError(f"{self._archive.where(f'art/variants/{file}')}: it names itself")
            chain.append(self._parse(f"art/variants/{file}"))
        return chain[::-1]

    def _parsed(self, path: str) -> ElementTree.Element:
        where = self._archive.where(path)
        try:
            root = ElementTree.fromstring(self._archive.read(path))
        except ElementTree.ParseError as error:
            raise DataError(f"{where}: {error}") from error
        for element in root.iter():
            try:
                _number(element, 0)
            except ValueError as error:
                raise DataError(f"{where}: frequency {element.get('frequency')!r}") from error
            if element.tag == "color" and not COLOR.fullmatch(element.text or ""):
                raise DataError(f"{where}: color {element.text!r}; three numbers are expected")
        return root


def draw(frequencies: Iterable[float], rng: np.random.Generator) -> int:
    """Draw a number from 0 by frequencies; if all are 0 each is as likely."""
    weights = np.array(list(frequencies), float)
    if weights.sum() == 0:
        weights[:] = 1
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def _number(element: ElementTree.Element, default: float) -> float:
    """The frequency of a variant or animation; its file was found to hold a number >= 0."""
    frequency = float(element.get("frequency", default))
    if not 0 <= frequency < float("inf"):
        raise ValueError
    return frequency


def _apply(variant: ElementTree.Element, actor: Actor, worn: dict[str, list[str]]) -> None:
    """What a variant says replaces what those before it said of the same thing."""
    actor.mesh = (variant.findtext("mesh") or actor.mesh).strip()
    for texture in variant.iter("texture"):
        if texture.get("name") == "baseTex":
            actor.texture = texture.get("file", "")
    if color := variant.findtext("color"):
        actor.color = tuple(int(value) / 255 for value in color.split())
    animations: dict[str, list[tuple[str, float]]] = {}
    for animation in variant.iter("animation"):
        if file := animation.get("file"):
            name = animation.get("name", "").lower()
            animations.setdefault(name, []).append((file, _number(animation, 1)))
    actor.animations |= animations
    props: dict[str, list[str]] = {}
    for prop in variant.iter("prop"):
        point = prop.get("attachpoint", "").removeprefix("loaded-")
        props.setdefault(point, []).extend(filter(None, [prop.get("actor")]))
    worn |= props
