"""Views of 3-D models: ``python -m autrack_ros.training.render MODELS_FOLDER OUTPUT_FOLDER``.

The models are Sweet Home 3D's furniture libraries (``.sh3f``: zip archives with a catalogue and
Wavefront OBJ models). Each becomes a clip of cut-outs in which it turns out of the picture plane,
which no flat picture can show.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import math
import multiprocessing
import re
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autrack_ros.tracking.errors import AutrackError
from autrack_ros.training.sources import DataError
from autrack_ros.training.views import (
    Viewpoint,
    camera,
    cut_out,
    direction,
    frame,
    is_clear,
    projection,
)

MIN_COLORS = 16  # different colours (4 bits a channel) of a view; plain things have fewer
MIN_CHROMA = 40  # mean difference of the largest and smallest channel; grey things have less
MAX_YAW = 70.0  # degrees to either side of the middle view
MAX_ELEVATION = 35.0  # degrees above the horizon
CANVAS_SIZE = 400  # pixels; views are rendered larger and reduced, which smooths them
TEXTURE_SIZE = 512  # pixels; the renderer takes the nearest texel, so more would only flicker
MIN_OPACITY = 0.3  # of a material; clearer glass is left out
BLACK = 0.05  # brightness of the darkest material; none is quite black
GREY = np.full(3, 0.7)  # of what has no material
MODELS_PER_PROCESS = 8  # pybullet never frees a shape, so the process that renders is renewed
CREASE = 0.7  # cosine between a face and its vertex normal; below it the face is shaded flat
BODY_TRIANGLES = 10_000  # in one pybullet shape, which takes at most 2 ** 17 vertices
MAX_TRIANGLES = 200_000  # that cutting along a texture's opacity may make


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a catalogue.

    Attributes:
        name: unique among all catalogues, fit for a file name.
        kind: what it is ("office_chair"), fit for a file name.
        creator: its author, as the catalogue names them.
        library: the archive it is from.
        obj: Wavefront file, its materials and textures beside it.
        rotation: 3x3; makes it stand upright (y up) and face z.
    """

    name: str
    kind: str
    creator: str
    library: str
    obj: Path
    rotation: np.ndarray


@dataclass(frozen=True, slots=True)
class Part:
    """N triangles of one material.

    Attributes:
        vertices: (N, 3, 3) float64.
        normals: (N, 3, 3) float64 unit vectors, on the side from which the triangle is seen
            anticlockwise.
        uv: (N, 3, 2) float64 texture coordinates, v = 0 at the bottom.
        color: (3,) RGB, 0 to 1.
        texture: HxWx4 uint8 RGBA in place of the colour, or None.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    color: np.ndarray
    texture: np.ndarray | None


def read_catalogue(library: Path, folder: Path) -> list[Model]:
    """Unpack a furniture library and read its catalogue.

    Args:
        library: ``.sh3f``.
        folder: gets its files.

    Raises:
        DataError: this is no such archive, or its catalogue names no model or a missing one.
    """
    try:
        with zipfile.ZipFile(library) as archive:
            archive.extractall(folder)
        text = (folder / "PluginFurnitureCatalog.properties").read_text(encoding="latin-1")
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"furniture library {library}: {error}") from error
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
    properties = dict(re.findall(r"^([\w#]+)\s*=[ \t]*(.*?)\s*$", text, re.MULTILINE))
    models = []
    for number in [key.removeprefix("model#") for key in properties if key.startswith("model#")]:
        obj = folder / properties[f"model#{number}"].lstrip("/")
        if not obj.is_file():
            raise DataError(f"furniture library {library}: it lacks {obj.name} (model#{number})")
        rotation = properties.get(f"modelRotation#{number}", "1 0 0 0 1 0 0 0 1")
        models.append(
            Model(
                name=file_name(f"{library.stem} {obj.stem}"),
                kind=file_name(properties.get(f"name#{number}", obj.stem)),
                creator=properties.get(f"creator#{number}", library.stem),
                library=library.name,
                obj=obj,
                rotation=np.array(rotation.split(), np.float64).reshape(3, 3),
            )
        )
    if not models:
        raise DataError(f"furniture library {library}: its catalogue names no model")
    return models


def load_parts(obj: Path, rotation: np.ndarray) -> list[Part]:
    """Read a model: turned, centred, in a sphere of radius 1.

    Raises:
        DataError: the file cannot be read or shows nothing, or trimesh is not installed.
    """
    trimesh = _import("trimesh")
    try:
        loaded = trimesh.load(obj, process=False, group_material=True, split_object=False)
        meshes = loaded.geometry.values() if isinstance(loaded, trimesh.Scene) else [loaded]
        parts = [_part(mesh, rotation) for mesh in meshes if _opacity(mesh) >= MIN_OPACITY]
    except Exception as error:  # whatever trimesh stumbles over in a broken file
        raise DataError(f"model {obj}: {error}") from error
    parts = [part for part in parts if len(part.vertices)]
    if not parts:
        raise DataError(f"model {obj}: it shows nothing")
    vertices = np.concatenate([part.vertices.reshape(-1, 3) for part in parts])
    centre = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    radius = np.linalg.norm(vertices - centre, axis=1).max()
    return [replace(part, vertices=(part.vertices - centre) / radius) for part in parts]


def viewpoints(count: int, flat: bool, rng: np.random.Generator) -> list[Viewpoint]:
    """Viewpoints in order of time: neighbours are a few degrees apart.

    Args:
        count: how many, at least 2.
        flat: the model is far wider than deep: only its front is worth seeing.
        rng: decides the middle view, the rise of the camera and the light.
    """
    middle = rng.uniform(-20, 20) if flat else rng.uniform(-180, 180)
    turn = rng.choice([-1, 1]) * MAX_YAW
    phase = rng.uniform(0, 2 * math.pi)
    light_yaw = middle + rng.uniform(-70, 70)
    light_turn = rng.uniform(-30, 30)
    light_elevation = rng.uniform(20, 70)
    ambient = rng.uniform(0.4, 0.7)
    return [
        Viewpoint(
            yaw=middle + turn * time,
            elevation=MAX_ELEVATION * (0.5 + 0.5 * math.sin(phase + 1.5 * time)),
            light_yaw=light_yaw + light_turn * time,
            light_elevation=light_elevation,
            ambient=ambient,
        )
        for time in np.linspace(-1, 1, count)
    ]


def render(parts: Sequence[Part], views: Sequence[Viewpoint]) -> list[np.ndarray]:
    """Render a model with pybullet's TinyRenderer.

    Args:
        parts: as ``load_parts`` gives them.
        views: where to see them from.

    Returns:
        A HxWx4 uint8 picture a view, BGR and opacity, cut to the model with ``MARGIN`` transparent
        pixels about it. All have one scale: the longest side of all is ``VIEW_SIZE`` and the
        margins. Where nothing is seen the picture is the margins alone.

    Raises:
        DataError: pybullet is not installed.
    """
    pybullet = _import("pybullet")
    client = pybullet.connect(pybullet.DIRECT)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            for number, part in enumerate(parts):
                _add_bodies(pybullet, client, part, Path(scratch) / f"{number}.png")
        cameras = [camera(view) for view in views]
        vertices = np.concatenate([part.vertices.reshape(-1, 3) for part in parts])
        zoom, scale = frame([vertices] * len(views), cameras, CANVAS_SIZE)
        return [
            cut_out(_shoot(pybullet, client, view, matrix, zoom), scale)
            for view, matrix in zip(views, cameras, strict=True)
        ]
    finally:
        pybullet.disconnect(client)


def is_plain(views: Sequence[np.ndarray]) -> bool:
    """Whether a model has few colours and those nearly grey; ``views`` are clear ones."""
    colors, chroma = [], []
    for view in views:
        pixels = view[view[..., 3] > 127][:, :3]
        colors.append(len(np.unique((pixels >> 4) @ np.array([1, 16, 256]))))
        chroma.append(np.ptp(pixels, axis=1).mean())
    return bool(np.median(colors) < MIN_COLORS and np.median(chroma) < MIN_CHROMA)


def render_libraries(
    models_folder: Path,
    output: Path,
    views: int = 12,
    report: Callable[[str, int, int], None] = lambda library, done, total: None,
) -> Counter[str]:
    """Render every model of the furniture libraries below a folder.

    Args:
        models_folder: where the ``.sh3f`` files are.
        output: gets ``<kind>/<model>/view_00.png`` and so on, the clear views in order of time, and
            ``models.csv``: the models used, with their authors.
        views: per model, at least 2.
        report: called after every few models with a library's name, and how many of its models are
            done and there.

    Returns:
        How many models were rendered, and left out for which reason.

    Raises:
        DataError: there is no library, one is broken, or a package is not installed.
    """
    if views < 2:
        raise DataError(f"views = {views}: a model needs at least 2")
    libraries = sorted(models_folder.rglob("*.sh3f"))
    if not libraries:
        raise DataError(f"furniture libraries: there is no .sh3f below {models_folder}")
    for package in ("trimesh", "pybullet"):
        _import(package)
    results: Counter[str] = Counter()
    output.mkdir(parents=True, exist_ok=True)
    with (output / "models.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["model", "kind", "creator", "library"])
        for library in libraries:
            with tempfile.TemporaryDirectory() as scratch:
                models = read_catalogue(library, Path(scratch))
                for start in range(0, len(models), MODELS_PER_PROCESS):
                    block = models[start : start + MODELS_PER_PROCESS]
                    outcome = _render_block(block, output, views)
                    for model, result in zip(block, outcome, strict=True):
                        if result == "rendered":
                            table.writerow([model.name, model.kind, model.creator, model.library])
                        results[result] += 1
                    report(library.stem, start + len(block), len(models))
    return results


def _render_block(models: Sequence[Model], output: Path, views: int) -> list[str]:
    """What became of models, rendered in a process of their own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["autrack_ros.training.sources", "trimesh", "pybullet"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return list(pool.map(partial(_render_model, output=output, count=views), models))
        except BrokenProcessPool as error:
            names = f"{models[0].name} to {models[-1].name}"
            raise DataError(f"models {names}: the process that renders ended ({error})") from error


def _render_model(model: Model, output: Path, count: int) -> str:
    """Write the views of a model; "rendered" or why it was left out."""
    cv2.setNumThreads(1)
    try:
        parts = load_parts(model.obj, model.rotation)
    except DataError:
        return "unreadable"
    width, _, depth = np.ptp(
        np.concatenate([part.vertices.reshape(-1, 3) for part in parts]), axis=0
    )
    rng = np.random.default_rng(zlib.crc32(model.name.encode()))
    views = render(parts, viewpoints(count, depth < 0.35 * width, rng))
    clear = [view for view in views if is_clear(view)]
    if 2 * len(clear) < len(views):
        return "thin"
    if is_plain(clear):
        return "plain"
    folder = output / model.kind / model.name
    folder.mkdir(parents=True, exist_ok=True)
    for number, view in enumerate(clear):
        cv2.imwrite(str(folder / f"view_{number:02d}.png"), view)
    return "rendered"


def file_name(text: str) -> str:
    """A text in small letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _import(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise DataError(
            f"rendering models needs {package}: pip install 'autrack_ros[train]'"
        ) from error


def _opacity(mesh: Any) -> float:
    """Opacity of a mesh's material, 0 to 1."""
    material = getattr(mesh.visual, "material", None)  # None: the material file lacks it
    values = [1.0] if material is None else np.ravel(material.kwargs.get("d", 1.0))
    return float(values[0])  # a file may state it twice


def _part(mesh: Any, rotation: np.ndarray) -> Part:
    faces = np.asarray(mesh.faces)
    vertices = (np.asarray(mesh.vertices, np.float64) @ rotation.T)[faces]
    across = np.cross(vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0])
    area = np.linalg.norm(across, axis=1)
    solid = area > 0
    faces, vertices, across = faces[solid], vertices[solid], across[solid] / area[solid, None]
    normals = (np.asarray(mesh.vertex_normals, np.float64) @ rotation.T)[faces]
    cosine = np.einsum("nij,nj->ni", normals, across)[..., None]
    normals = np.where(np.abs(cosine) > CREASE, np.sign(cosine) * normals, across[:, None])
    part = Part(vertices, normals, np.zeros((len(faces), 3, 2)), GREY, None)
    material = getattr(mesh.visual, "material", None)
    if material is None:
        return part
    if mesh.visual.uv is None or material.image is None:
        return replace(part, color=BLACK + (1 - BLACK) * material.diffuse[:3] / 255)
    texture = np.asarray(material.image.convert("RGBA"))
    scale = TEXTURE_SIZE / max(texture.shape[:2])
    if scale < 1:
        texture = cv2.resize(texture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    uv = np.asarray(mesh.visual.uv, np.float64)[faces]
    part = replace(part, uv=uv, color=np.ones(3), texture=texture)
    return part if texture[..., 3].min() > 127 else _cut_along_opacity(part)


def _cut_along_opacity(part: Part) -> Part:
    """Without the transparent part of a texture, which TinyRenderer would show.

    Triangles that are opaque in part are divided, by four, down to a few texels.
    """
    assert part.texture is not None
    height, width = part.texture.shape[:2]
    steps = np.array([(i, j, 6 - i - j) for i in range(7) for j in range(7 - i)]) / 6
    finished: list[np.ndarray] = []
    corners = np.concatenate([part.vertices, part.normals, part.uv], axis=2)
    while True:
        points = np.einsum("pk,nkc->npc", steps, corners[..., 6:])
        columns = (np.floor(points[..., 0] * width) % width).astype(int)
        rows = (np.floor(-points[..., 1] * height) % height).astype(int)
        opaque = (part.texture[rows, columns, 3] > 127).mean(axis=1)
        texels = (np.ptp(corners[..., 6:], axis=1) * (width, height)).max(axis=1)
        # A large triangle may have details between the points.
        divided = (texels > 6) & (opaque < 1) & ((opaque > 0) | (texels > 48))
        if sum(len(block) for block in finished) + 4 * divided.sum() > MAX_TRIANGLES:
            divided[:] = False
        finished.append(corners[~divided & (opaque > 0.5)])
        corners = corners[divided]
        if not len(corners):
            break
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        corners = np.concatenate([np.stack(quarter, axis=1) for quarter in quarters])
    cut = np.concatenate(finished)
    return replace(part, vertices=cut[..., :3], normals=cut[..., 3:6], uv=cut[..., 6:])


def _add_bodies(pybullet: Any, client: int, part: Part, texture_file: Path) -> None:
    texture = -1
    if part.texture is not None:
        cv2.imwrite(str(texture_file), cv2.cvtColor(part.texture, cv2.COLOR_RGBA2BGR))
        texture = pybullet.loadTexture(str(texture_file), physicsClientId=client)
    for start in range(0, len(part.vertices), BODY_TRIANGLES):
        chosen = slice(start, start + BODY_TRIANGLES)
        vertices, normals, uv = part.vertices[chosen], part.normals[chosen], part.uv[chosen]
        uv = uv - np.floor(uv.min(axis=1, keepdims=True))  # negative ones would be black
        # Both windings, because the renderer shows one side of a triangle only.
        vertices = np.concatenate([vertices, vertices[:, ::-1]]).reshape(-1, 3)
        normals = np.concatenate([normals, -normals[:, ::-1]]).reshape(-1, 3)
        uv = np.concatenate([uv, uv[:, ::-1]]).reshape(-1, 2)
        shape = pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=vertices.tolist(),
            indices=list(range(len(vertices))),
            normals=normals.tolist(),
            uvs=uv.tolist(),
            rgbaColor=[*part.color, 1],
            physicsClientId=client,
        )
        body = pybullet.createMultiBody(0, -1, shape, physicsClientId=client)
        if texture >= 0:
            pybullet.changeVisualShape(body, -1, textureUniqueId=texture, physicsClientId=client)


def _shoot(
    pybullet: Any, client: int, view: Viewpoint, matrix: np.ndarray, zoom: float
) -> np.ndarray:
    """A view from a camera's matrix, as ``cut_out`` takes it, its side ``CANVAS_SIZE``."""
    _, _, colors, _, bodies = pybullet.getCameraImage(
        CANVAS_SIZE,
        CANVAS_SIZE,
        viewMatrix=matrix.T.ravel().tolist(),  # column by column, as OpenGL has it
        projectionMatrix=projection(zoom).T.ravel().tolist(),
        lightDirection=direction(view.light_yaw, view.light_elevation).tolist(),
        lightColor=[1, 1, 1],
        lightDistance=10,
        shadow=0,
        lightAmbientCoeff=view.ambient,
        lightDiffuseCoeff=1.1 - view.ambient,
        lightSpecularCoeff=0.2,
        renderer=pybullet.ER_TINY_RENDERER,
        physicsClientId=client,
    )
    shape = (CANVAS_SIZE, CANVAS_SIZE)
    silhouette = np.asarray(bodies).reshape(shape) >= 0
    opacity = silhouette.astype(np.float32)[..., None]
    picture = np.asarray(colors, np.uint8).reshape(*shape, 4)[..., 2::-1]
    return np.dstack([picture * opacity, opacity])


def main() -> None:
    """Run the command line; exits with the error in words."""
    parser = argparse.ArgumentParser(prog="python -m autrack_ros.training.render")
    parser.add_argument("models", type=Path, help="folder with .sh3f furniture libraries")
    parser.add_argument("output", type=Path, help="folder for the views")
    parser.add_argument("--views", type=int, default=12, help="per model (default %(default)s)")
    arguments = parser.parse_args()
    try:
        results = render_libraries(arguments.models, arguments.output, arguments.views)
    except AutrackError as error:
        sys.exit(f"error: {error}")
    print(", ".join(f"{count} {result}" for result, count in results.most_common()))


if __name__ == "__main__":
    main()
