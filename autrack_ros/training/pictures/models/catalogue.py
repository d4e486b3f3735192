"""Sweet Home 3D's furniture libraries: zip archives with a catalogue and Wavefront OBJ models."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrack_ros.training.sources import DataError


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


def file_name(text: str) -> str:
    """A text in small letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
