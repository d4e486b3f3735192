"""Views of 3-D models: ``python -m autrack_ros.training.pictures.models.making MODELS OUTPUT``.

The models are Sweet Home 3D's furniture libraries. Each becomes a clip of cut-outs in which it
turns out of the picture plane, which no flat picture can show.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from autrack_ros.tracking.errors import AutrackError
from autrack_ros.training.pictures.models.catalogue import Model, read_catalogue
from autrack_ros.training.pictures.models.packages import import_package
from autrack_ros.training.pictures.models.parts import load_parts
from autrack_ros.training.pictures.models.renderer import render, viewpoints
from autrack_ros.training.pictures.views import is_clear
from autrack_ros.training.sources import DataError

MIN_COLORS = 16  # different colours (4 bits a channel) of a view; plain things have fewer
MIN_CHROMA = 40  # mean difference of the largest and smallest channel; grey things have less
MODELS_PER_PROCESS = 8  # pybullet never frees a shape, so the process that renders is renewed


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
        import_package(package)
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


def main() -> None:
    """Run the command line; exits with the error in words."""
    parser = argparse.ArgumentParser(prog="python -m autrack_ros.training.pictures.models.making")
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
