"""Small models, and furniture libraries of them."""

import zipfile

import cv2
import numpy as np


def write_model(folder, faces, picture, name="thing"):
    """An OBJ model; ``faces`` are lists of four corners, each with the whole picture on it."""
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), picture)
    (folder / f"{name}.mtl").write_text(
        f"newmtl skin\nKd 1 1 1\nd 1\nillum 2\nmap_Kd {name}.png\n", encoding="utf-8"
    )
    lines = [f"mtllib {name}.mtl", "vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1", "usemtl skin"]
    lines += ["v {} {} {}".format(*corner) for face in faces for corner in face]
    for first in range(1, 4 * len(faces), 4):
        lines.append("f " + " ".join(f"{first + k}/{k + 1}" for k in range(4)))
    obj = folder / f"{name}.obj"
    obj.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return obj


def plate(left=-1.0, bottom=-1.0, right=1.0, top=1.0, z=0.0):
    """A face that looks along z; corners from the lower left, anticlockwise."""
    return [(left, bottom, z), (right, bottom, z), (right, top, z), (left, top, z)]


def cube():
    """Its six faces, each seen anticlockwise from outside and standing upright."""
    front = np.array(plate(z=1.0))
    around = [
        front @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))
    ]
    tip = [front @ np.array([[1, 0, 0], [0, 0, s], [0, -s, 0]]) for s in (1, -1)]
    return [face.round(6).tolist() for face in around + tip]


def patterned(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (16, 16, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)


def write_library(folder, *lines):
    """A furniture library with a cube, and what further lines of its catalogue name."""
    obj = write_model(folder / "cube", cube(), patterned(), "cube")
    library = folder / "Things.sh3f"
    catalogue = ["name#1=Toy cube", "model#1=/cube/cube.obj", "creator#1=An\\u00e4", *lines]
    with zipfile.ZipFile(library, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", "\n".join(catalogue))
        for path in obj.parent.iterdir():
            archive.write(path, f"cube/{path.name}")
    return library
