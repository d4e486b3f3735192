"""Made datasets, one of each kind: a few frames, each of one grey level."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

FRAMES = 8


TRUTH = np.array([[10.0 + index, 20, 12, 14] for index in range(FRAMES)])


def grey(index: int) -> int:
    return 10 * index % 250


def write_images(folder: Path, count: int = FRAMES, start: int = 1, name: str = "{:08d}.jpg"):
    """Frame i, from 0, has ``grey(i)``."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image = np.full((64, 64, 3), grey(index), np.uint8)
        cv2.imwrite(str(folder / name.format(start + index)), image)


def write_lines(path: Path, rows, delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (delimiter.join(f"{value:g}" for value in np.atleast_1d(row)) for row in rows)
    path.write_text("\n".join(lines) + "\n")


def from_one(boxes: np.ndarray) -> np.ndarray:
    return boxes + np.array([1, 1, 0, 0])


def make_folder(root: Path) -> None:
    write_images(root / "b" / "img")
    write_lines(root / "b" / "groundtruth.txt", TRUTH)
    write_images(root / "a")  # images beside the truth
    write_lines(root / "a" / "groundtruth.txt", TRUTH)


def make_otb(root: Path) -> None:
    write_images(root / "Car4" / "img", name="{:04d}.jpg")
    write_lines(root / "Car4" / "groundtruth_rect.txt", from_one(TRUTH), "\t")
    write_lines(root / "anno" / "att" / "Car4.txt", [[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]])
    write_images(root / "Jogging" / "img", name="{:04d}.jpg")
    write_lines(root / "Jogging" / "groundtruth_rect.1.txt", from_one(TRUTH))
    write_lines(
        root / "Jogging" / "groundtruth_rect.2.txt", from_one(TRUTH + np.array([5, 0, 0, 0])), " "
    )
    write_images(root / "Human4" / "img", name="{:04d}.jpg")
    (root / "Human4" / "groundtruth_rect.1.txt").write_text("")
    write_lines(root / "Human4" / "groundtruth_rect.2.txt", from_one(TRUTH))


def make_got10k(root: Path) -> None:
    for name in ("GOT-10k_Val_000002", "GOT-10k_Val_000001"):
        folder = root / name
        write_images(folder)
        write_lines(folder / "groundtruth.txt", from_one(TRUTH))
        write_lines(folder / "absence.label", [0, 0, 0, 1, 0, 0, 0, 0])
        write_lines(folder / "cover.label", [8, 8, 7, 0, 0, 3, 8, 8])
        write_lines(folder / "cut_by_image.label", [0, 0, 0, 0, 0, 0, 1, 1])
        (folder / "meta_info.ini").write_text("[METAINFO]\nresolution: (64, 64)\n")
    (root / "list.txt").write_text("GOT-10k_Val_000002\nGOT-10k_Val_000001\n")


def make_lasot(root: Path) -> None:
    for name in ("airplane-1", "airplane-2"):
        folder = root / "airplane" / name
        write_images(folder / "img")
        write_lines(folder / "groundtruth.txt", from_one(TRUTH))
        write_lines(folder / "full_occlusion.txt", [[0, 0, 1, 0, 0, 0, 0, 0]])
        write_lines(folder / "out_of_view.txt", [[0, 0, 0, 0, 0, 0, 1, 1]])
    write_lines(root / "annos" / "att" / "airplane-1.txt", [[0, 1, *[0] * 11, 1]])


def make_uav123(root: Path) -> None:
    truth = from_one(TRUTH)
    truth[5] = np.nan
    write_images(root / "data_seq" / "UAV123" / "bike1", name="{:06d}.jpg")
    write_lines(root / "anno" / "UAV123" / "bike1.txt", truth)
    write_lines(root / "anno" / "UAV123" / "att" / "bike1.txt", [[0, 1, *[0] * 9, 1]])
    # Part 2 of car16 starts at frame 415.
    write_images(root / "data_seq" / "UAV123" / "car16", 414 + FRAMES, name="{:06d}.jpg")
    write_lines(root / "anno" / "UAV123" / "car16_2.txt", truth)


def make_trackingnet(root: Path) -> None:
    write_images(root / "TEST" / "frames" / "xYz", start=0, name="{}.jpg", count=12)
    write_lines(root / "TEST" / "anno" / "xYz.txt", TRUTH[:1])


def make_vot(root: Path) -> None:
    (root / "list.txt").parent.mkdir(parents=True, exist_ok=True)
    (root / "list.txt").write_text("ball\nant\n")
    x, y, w, h = TRUTH.T
    polygons = np.stack([x, y + 3, x + 5, y, x + w, y + 6, x + 2, y + h], axis=1)
    write_images(root / "ball" / "color")
    write_lines(root / "ball" / "groundtruth.txt", polygons)
    write_lines(root / "ball" / "camera_motion.tag", [0, 1, 1])
    write_images(root / "ant")
    write_lines(root / "ant" / "groundtruth.txt", TRUTH)


MAKERS = {
    "folder": make_folder,
    "otb": make_otb,
    "got10k": make_got10k,
    "lasot": make_lasot,
    "uav123": make_uav123,
    "trackingnet": make_trackingnet,
    "vot": make_vot,
}
