"""The networks' forms as graphs of OpenVINO, for those that run without torch.

A graph holds no weights: they are inputs of it, named by their keys in the weights file, and become
constants when it is loaded. So every weights file of a network runs, and none can be outdated.
``autrack export`` writes these files (networks/export.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from autrack_ros.tracking.checkpoint import Form

GRAPHS_DIR = Path(__file__).parent
PARTS = ("template", "search", "prediction", "objective")
FORM_FILE = "network.json"


@dataclass(frozen=True, slots=True)
class Graphs:
    """The graphs of a network.

    Attributes:
        folder: holds ``<part>.xml.gz`` and ``<part>.bin`` of each of ``PARTS``.
        stride, origin: where the cells of its response map lie.
        template_size, search_size: sides of the crops, pixels.
        weights: what its weights file must hold.
    """

    folder: Path
    stride: int
    origin: float | None
    template_size: int
    search_size: int
    weights: dict[str, Form]

    def files(self, part: str) -> tuple[Path, Path]:
        """The two files of a graph."""
        return self.folder / f"{part}.xml.gz", self.folder / f"{part}.bin"

    def save(self) -> None:
        """Write what is known beside the graphs."""
        known = {
            "stride": self.stride,
            "origin": self.origin,
            "template_size": self.template_size,
            "search_size": self.search_size,
            "weights": {key: [kind, list(shape)] for key, (kind, shape) in self.weights.items()},
        }
        (self.folder / FORM_FILE).write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Graphs:
        """What ``save`` wrote."""
        known = json.loads((folder / FORM_FILE).read_text(encoding="utf-8"))
        forms = known.pop("weights")
        weights = {key: (kind, tuple(shape)) for key, (kind, shape) in forms.items()}
        return cls(folder, weights=weights, **known)


def find_graphs(network: str) -> Graphs | None:
    """The graphs of a network in this package; None where there are none."""
    folder = GRAPHS_DIR / network
    return Graphs.read(folder) if (folder / FORM_FILE).is_file() else None
